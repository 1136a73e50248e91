"""List pages read a second on one core: our parser, and BeautifulSoup doing the same work.

BeautifulSoup is of the dependency group ``dev``; without it only our own figure is printed.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from tasks.listings import cards, head_fi, money, selectors, text_fields
from tests.support.bench_environment import ROOT, say

#: Cards on a page: a list page of the site has about so many.
CARDS = 20
#: Time of one core given to each parser (seconds).
BUDGET = 5.0
SELECTORS = selectors.parse(head_fi.SELECTORS)
BASE = "https://www.head-fi.org/classifieds/"
IN_CARD = {
    name: css for name, css in head_fi.SELECTORS.items() if name not in {"card", "next", "fields"}
}


def page() -> str:
    """The synthetic page, its cards repeated under numbers of their own."""
    html = (Path(ROOT) / "tests/fixtures/headfi/synthetic_page_1.html").read_text()
    head, _, rest = html.partition('<a class="hfcUserListing"')
    body, _, tail = rest.rpartition("</a></div>")
    found = ('<a class="hfcUserListing"' + body + "</a>").split("</a>\n")
    each = [one.removesuffix("</a>") + "</a>" for one in found]
    many = [each[n % len(each)].replace(".9000", f".{n}9000") for n in range(CARDS)]
    return head + "\n".join(many) + "</div>" + tail


def ours(html: str) -> list[str]:
    found = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)
    return [card.title for card in found.cards]


def soup(bs4: Any) -> Callable[[str], list[str]]:
    """The same ads by BeautifulSoup; what is done to a text once it is found is ours in both."""

    def text(node: Any) -> str | None:
        return node.get_text(" ", strip=True) if node else None

    def read(html: str) -> list[str]:
        tree = bs4.BeautifulSoup(html, "html.parser")
        titles = []
        for card in tree.select(head_fi.SELECTORS["card"]):
            found = {name: card.select_one(css) for name, css in IN_CARD.items()}
            urljoin(BASE, card["href"])
            urljoin(BASE, found["image"]["src"])
            text_fields.parse_seller(text(found["seller"]))
            text_fields.parse_time(found["listed"]["datetime"])
            money.parse((text(found["price"]) or "").replace(text(found["type"]) or "", "", 1))
            for pair in card.select(head_fi.SELECTORS["fields"]):
                text_fields.parse_regions(f"{text(pair.find('dt'))} {text(pair.find('dd'))}")
            titles.append(text(found["title"]) or "")
            text_fields.title_status(titles[-1])
        tree.select_one(head_fi.SELECTORS["next"])
        return titles

    return read


def rate(read: Callable[[str], list[str]], html: str) -> float:
    """Pages a second of one core's time: what else the machine does is not counted."""
    read(html)
    count, begin = 0, time.process_time()
    while time.process_time() - begin < BUDGET:
        read(html)
        count += 1
    return count / (time.process_time() - begin)


def main() -> None:
    html = page()
    assert len(ours(html)) == CARDS, len(ours(html))
    megabytes = len(html.encode()) / 1e6
    pages = rate(ours, html)
    figures: dict[str, Any] = {"pages_a_second": pages, "megabytes_a_second": pages * megabytes}
    try:
        bs4 = importlib.import_module("bs4")
    except ModuleNotFoundError:
        figures["beautifulsoup"] = "not installed"
    else:
        read = soup(bs4)
        assert read(html) == ours(html)
        theirs = rate(read, html)
        figures |= {"beautifulsoup_pages_a_second": theirs, "ratio": pages / theirs}
    say("parse", cards=CARDS, page_bytes=len(html.encode()), **figures)


if __name__ == "__main__":
    main()
