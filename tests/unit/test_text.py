"""Text of other people's servers: what is stored of it, and what reaches a terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.discovery.sources import dexscreener
from tasks.listings import cards, head_fi, selectors
from tasks.prices import values
from workers import logs
from workers.errors import BrokenResponse
from workers.text.cleaning import cleaned, printable

pytestmark = pytest.mark.outside(3)

ROOT = Path(__file__).parents[2]
#: One of each kind: clears the screen, names the window, C1, turns the line round, is not seen, …
HOSTILE = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x9b2J", "\x90q\x9c", "\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\u200d",
    "\u2060", "\ufeff", "\u00ad", "\u034f", "\u3164", "\ufe0f", "\U000e0041", "\ufff9", "\ud800", "\x00", "\x7f", "\x08",
    "\u2028",
)  # fmt: skip
hostile = st.sampled_from(HOSTILE)
texts = st.lists(st.text(max_size=8) | hostile, max_size=8).map("".join)


def is_clean(text: str) -> bool:
    """As the issue says it, by the database of Unicode and not by our lists."""
    return (
        unicodedata.is_normalized("NFC", text)
        and text == " ".join(text.split())
        and not any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for one in text)
    )


@given(texts)
def test_what_is_parsed_is_one_clean_line_and_stays_it(text: str) -> None:
    found = cleaned(text)
    assert is_clean(found)
    assert cleaned(found) == found


@given(texts)
def test_a_terminal_gets_nothing_but_what_it_can_print(text: str) -> None:
    assert printable(text).isprintable()
    for line in re.split("[\n\t]", printable(text, lines=True)):
        assert line.isprintable()


@given(
    st.text(st.characters(categories=("L", "Nd", "P", "Sm", "Sc"), max_codepoint=0x2FFF), max_size=20)
)
def test_what_people_write_is_kept(text: str) -> None:
    visible = re.sub("[\u115f\u1160\u17b4\u17b5]", "", unicodedata.normalize("NFC", text))
    assert cleaned(visible) == visible


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_a_hostile_character_joins_what_stood_around_it(part: str) -> None:
    rest = "" if part == "\u2028" else cleaned(part)
    assert cleaned(f"HD{part}600") == ("HD 600" if part == "\u2028" else f"HD{rest}600")
    assert cleaned("e\u200b\u0301") == "é"


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_every_text_of_an_ad_is_clean(part: str) -> None:
    html = (
        f'<a class="hfcUserListing" href="/classifieds/x.1/?q={part}"><div class="hfcListingTitle">Fo{part}cal</div>'
        f'<div class="hfcPrice"><span class="label">For{part} Sale</span> 950 {part}Zorkmid$</div>'
        f'<div class="hfcCustomFields"><dl><dt>Condition</dt><dd>Go{part}od</dd></dl>'
        f"<dl><dt>Ships to</dt><dd>CON{part}US, Canada</dd></dl></div>"
        f'<div class="hfcCreatorInfo">Listed by: <span>an{part}n</span> (3)</div></a>'
    ).replace("\x00", "&#0;")
    html = html.encode("utf-8", "replace").decode()
    (card,) = cards.parse(
        html,
        "https://www.head-fi.org/classifieds/",
        selectors.parse(head_fi.SELECTORS),
        head_fi.ID_PATTERN,
    ).cards
    told = [getattr(card, name) for name in card.__dataclass_fields__]
    assert [text for text in told if isinstance(text, str) and not is_clean(text)] == []


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_every_text_of_a_token_is_clean(part: str) -> None:
    row = {
        "chainId": "solana", "pairAddress": "P1", "dexId": f"ray{part}dium", "url": f"https://x/{part}y",
        "baseToken": {"address": "T1", "symbol": f"PE{part}PE", "name": f"Pe{part}pe"},
        "quoteToken": {"address": "Q1"}, "priceUsd": "1",
    }  # fmt: skip
    (pair,) = dexscreener.parse_pairs([row])
    feed = [
        {
            "chainId": "solana",
            "tokenAddress": "T1",
            "links": [{"label": f"a{part}b", "url": f"h{part}"}],
        }
    ]
    (candidate,) = dexscreener.parse_feed(feed, "profiles")
    told = [pair.symbol, pair.name, pair.dex, pair.url, *candidate.links[0].values()]
    assert [text for text in told if not is_clean(text or "")] == []


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_an_upstreams_words_are_clean_in_errors(part: str) -> None:
    assert is_clean(values.words(f"sorry{part}, no"))
    assert is_clean(str(BrokenResponse("x", f"says: no{part}pe")))


def test_a_key_that_is_hidden_in_invisible_characters_is_redacted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = BrokenResponse("x", "says: https://h/q?apikey=SECRET\u200bKEY123456")
    assert "KEY123456" not in str(error)


def test_the_log_on_a_terminal_holds_one_printable_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_LOG_FORMAT", "console")
    logs.settings.cache_clear()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.configure()
        logs.structlog.get_logger("x").warning("a.b", title="x\x1b[2Jy\nFAKE line\u202e", rows=["\x9b"])
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logs.settings.cache_clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_commands_print_by_the_one_function_that_cleans() -> None:
    """click.echo itself is left to workers/cli."""
    found: dict[str, Any] = {
        str(path.relative_to(ROOT)): len(
            re.findall(r"click\.s?echo\(|(?<![\w.])print\(", path.read_text())
        )
        for folder in ("beat", "tasks")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path for path, count in found.items() if count} == set()


def test_a_table_on_a_terminal_holds_no_escape_of_its_values() -> None:
    """Rows that somebody else wrote, printed by `show` on a terminal of its own."""
    program = (
        "from workers.cli import show, say\n"
        "show([{'a': 'x\\x1b[2Jy \\u202e[bold]z', 'b': 'failed\\\\'}], ('a', 'b'))\n"
        "say('n\\x9b2J')\n"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=theirs, stderr=subprocess.PIPE, check=True, timeout=60, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    found = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            found += part
    os.close(ours)
    text = found.decode()
    assert done.stderr == b""
    # Colours of ours are all that is left of escapes.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")
    assert "x\ufffd[2Jy [bold]z" in plain
    assert all(line.isprintable() for line in plain.split("\n"))


def test_progress_bars_and_questions_show_only_printable_text_and_read_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from beat.cli.progress import Bars
    from workers.cli import output

    bars = Bars()
    words = "[/x] [red]" + "".join(one for one in HOSTILE if one != "\ud800")
    row = {"id": 1, "name": f"n{words}", "ended": 1, "total": 2, "failed": 0, "waiting_for": None}
    bars.show([row | {"finished_at": None, "state": "held", "summary": f"e{words}"}])
    bars.close()
    shown = capsys.readouterr().err

    assert "n[/x] [red]" in shown
    assert "e[/x] [red]" in shown
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda _: True})())
    asked: list[str] = []
    monkeypatch.setattr(output.click, "confirm", lambda text, **_: bool(asked.append(text)) or True)
    output.confirm(f"stop {words}?", yes=False)
    for line in [*shown.splitlines(), *asked]:
        assert line.isprintable(), line
