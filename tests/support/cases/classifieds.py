"""What the cases of the classifieds system run on: a database with the shipped rows, and its people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tasks.listings import cards, head_fi, matching, selectors
from tasks.listings.cards import Card
from tasks.listings.store import Stored, store_page
from tests.support.templates import SHIPPED, SHIPPED_UPSTREAMS

SELECTORS = selectors.parse(head_fi.SELECTORS)
BASE = "https://www.head-fi.org/classifieds/"
#: What a case may say of a card, and what stands there when it does not.
CARD = {
    "card_class": "hfcUserListing", "href": "/classifieds/x.1/", "title": "x", "label": "For Sale",
    "price_text": "1 USD", "price_html": None, "fields": {}, "creator_text": "", "datetime": "",
    "edited_datetime": "", "overlay": None,
}  # fmt: skip


def card_html(given: dict[str, Any]) -> str:
    """A card in the site's markup with what the case gives, and a plain rest."""
    unknown = given.keys() - CARD.keys()
    if unknown:
        raise LookupError(f"a case says of a card what this adapter does not know: {unknown}")
    told = CARD | given
    fields = "".join(f"<dl><dt>{k}</dt><dd>{v}</dd></dl>" for k, v in told["fields"].items())
    price = told["price_html"] or (
        f'<div class="hfcPrice"><span class="label">{told["label"]}</span> {told["price_text"]}</div>'
    )
    overlay = told["overlay"] and f'<span class="hfcOverlayGlobal--content">{told["overlay"]}</span>'
    edited = told["edited_datetime"] and (
        f'<div class="hfcLastEditDate"><time datetime="{told["edited_datetime"]}">x</time></div>'
    )
    return (
        f'<a class="{told["card_class"]}" href="{told["href"]}">{overlay or ""}'
        f'<div class="hfcListingTitle">{told["title"]}</div>{price}'
        f'<div class="hfcCustomFields">{fields}</div>'
        f'<div class="hfcCreatorInfo">{told["creator_text"]}</div>'
        f'<div class="hfcListingDate"><time datetime="{told["datetime"]}">x</time></div>{edited}</a>'
    )


def parsed(html: str) -> cards.Page:
    """As a scrape reads it."""
    return cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)


def scraped(told: dict[str, Any]) -> Sequence[Card]:
    """The card of an ad of which a case tells columns."""
    unknown = told.keys() - {"price", "currency", "title", "status", "listing_type"}
    if unknown:
        raise LookupError(f"a case says of an ad what this adapter does not know: {unknown}")
    price, status = told.get("price"), told.get("status", "active")
    given: dict[str, Any] = {
        "price_text": f"{price} {told.get('currency') or 'USD'}" if price is not None else ""
    }
    if status != "active":
        given["overlay"] = status.capitalize()
    given |= {
        name: told[key] for name, key in (("title", "title"), ("label", "listing_type")) if key in told
    }
    return parsed(card_html(given)).cards


class CaseEnvironment:
    """A database with the shipped rows, on which a case runs."""

    def __init__(self, scrapes: Any, need: Callable[[str], Any]) -> None:
        self.scrapes, self.need = scrapes, need
        self.sql: psycopg.Connection[dict[str, Any]] = scrapes.sql

    def store(self, told: dict[str, Any]) -> Stored:
        return self.store_cards(scraped(told))

    def store_cards(self, found: Sequence[Card], since: datetime | None = None) -> Stored:
        from workers.db import transaction

        with transaction() as connection:
            return store_page(connection, "head_fi", 2, found, "USD", since=since)

    def told(self, given: dict[str, Any]) -> dict[str, Any]:
        """What people hear: a finding is judged and sent as a scrape and the sender do it."""
        people = self.need("people")
        fails = "discord:fail" in given.get("channels", ())
        people.channel("discord")
        people.channel("email")
        people.rule("case", given.get("rule", "price > 0"))
        if "existing" in given:
            self.store(given["existing"])
            return {"new_matches": self.judged(given["scraped"])}
        people.discord_server.control(down=60 if fails else 0)
        for _ in range(given.get("runs", 1)):
            self.judged({"price": 5})
            people.send()
        if not fails:
            reached = {len(people.in_discord()), len(people.in_mailbox())}
            return {"notifications_per_channel": reached.pop() if len(reached) == 1 else reached}
        assert people.states() == {"discord": ["waiting"], "email": ["sent"]}
        people.discord_server.control(down=0)
        people.now()
        people.send()
        once = (len(people.in_discord()), len(people.in_mailbox())) == (1, 1)
        return {"after_retry": "discord is retried, email is not repeated" if once else "not so"}

    def judged(self, told: dict[str, Any]) -> int:
        from workers.db import transaction

        stored = self.store(told)
        with transaction() as connection:
            return matching.judge(connection, None, stored.findings, baseline=False)[0]

    def listing(self) -> Any:
        return self.sql.execute("select * from listing").fetchone()

    def delivered(self, status: int) -> bool:
        """Whether the sender takes a webhook's answer for a delivery."""
        people, site_server = self.need("people"), self.scrapes.site_server
        people.sql.execute(
            "update upstream set base_url = %s where name = 'discord'", (site_server.url,)
        )
        site_server.reply = lambda _: (status, {}, "")
        people.channel("discord")
        people.rule("case", "price > 0")
        self.judged({"price": 5})
        people.send()
        assert len(site_server.posted) == 1
        return bool(people.states()["discord"] == ["sent"])

    def empty_first_page(self, status: int) -> dict[str, Any]:
        """A scrape whose first page has no card, under a status."""
        assert self.store({"price": 1}).new
        self.sql.execute("update site set expire_after = 1")
        self.scrapes.site_server.reply = lambda path: (
            (status, {}, "<html></html>") if "/categ" in path else None
        )
        run = self.scrapes.run()
        log = self.scrapes.one("select state from scrape_log limit 1")
        return {
            "run_status": {run["state"], log["state"]},
            "expire": self.listing()["status"] == "expired",
        }

    def shipped_spacing(self) -> float:
        """The pause of a new installation, which the sandbox and tests shorten."""
        rows = {row["name"]: row["spacing"] for row in SHIPPED_UPSTREAMS}
        return float(rows["head_fi"].total_seconds())

    def shipped_every(self) -> float:
        rows = {row["name"]: row["every"] for row in SHIPPED}
        return float(rows["listing-scrape"].total_seconds())

    def accepts_every(self, minutes: int) -> bool:
        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered())
        try:
            self.sql.execute(
                "insert into schedule (name, task, every) values ('x', 'tasks.listings.scrape', %s)",
                (timedelta(minutes=minutes),),
            )
        except psycopg.errors.CheckViolation:
            return False
        return True
