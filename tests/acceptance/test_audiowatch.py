"""The cases of the classifieds system, by id: adapters rename fields, then call production."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from tasks.listings import cards, expiry, head_fi, matching, selectors, storing, words
from tasks.listings.scrape import ScrapeOptions
from tasks.watches import checking, evaluation, grammar, wording
from tasks.watches.filters import Filters
from workers import answers
from workers.answers import Answer
from workers.errors import UpstreamError
from workers.upstream import reset

ROOT = Path(__file__).parents[2]
#: What we decided where a case leaves the choice; the README says why.
DECIDED: dict[str, dict[str, Any]] = {
    "AU-033": {"error": "type"},
    "AU-066": {"error": "type"},
    "AU-067": {"error": "type"},
    "AU-068": {"error": "type"},
    "AU-120": {"passes": False},
}
CASES = json.loads((Path(__file__).parent / "cases" / "audiowatch.json").read_text())
SELECTORS = selectors.read(head_fi.SELECTORS)
BASE = "https://www.head-fi.org/classifieds/"

Adapter = Callable[[dict[str, Any], Any], dict[str, Any]]


# --- card-parse -------------------------------------------------------------------------------------


def card_html(given: dict[str, Any]) -> str:
    """A card in the site's markup with what the case gives, and a plain rest."""
    fields = "".join(f"<dl><dt>{k}</dt><dd>{v}</dd></dl>" for k, v in given.get("fields", {}).items())
    label = given.get("label", "For Sale")
    price = given.get("price_html") or (
        f'<div class="hfcPrice"><span class="label">{label}</span> {given.get("price_text", "1 USD")}</div>'
    )
    return (
        f'<a class="{given.get("card_class", "hfcUserListing")}"'
        f' href="{given.get("href", "/classifieds/x.1/")}">'
        f'<div class="hfcListingTitle">{given.get("title", "x")}</div>{price}'
        f'<div class="hfcCustomFields">{fields}</div>'
        f'<div class="hfcCreatorInfo">{given.get("creator_text", "")}</div>'
        f'<div class="hfcListingDate"><time datetime="{given.get("datetime", "")}">x</time></div></a>'
    )


def card_parse(given: dict[str, Any], _: Any) -> dict[str, Any]:
    if "detail_h1" in given:
        status, title = words.heading(given["detail_h1"])
        return {"status": status, "title": title}
    if "max_age_days" in given:
        return {"yielded": yielded(given)}
    html = given.get("html") or card_html(given)
    page = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)
    if not page.cards:
        return {"skipped": True, "next_url": page.next_url}
    (card,) = page.cards
    return {
        "skipped": False,
        "external_id": card.external_id,
        "url": card.url,
        "title": card.title,
        "listing_type": card.listing_type,
        "price": plain(card.price),
        "currency": card.currency,
        "status": card.status,
        "seller_username": card.seller,
        "seller_reputation": card.seller_reputation,
        "condition": card.condition,
        "negotiability": card.negotiability,
        "ships_to": card.ships_to,
        "listed_at": card.listed_at,
        "next_url": page.next_url,
    }


def plain(price: Any) -> str | None:
    return None if price is None else f"{price.normalize():f}"


def yielded(given: dict[str, Any]) -> int:
    now = datetime.now(UTC)
    listed = (now - timedelta(days=given["listed_days_ago"])).isoformat()
    html = "".join(
        card_html({"href": f"/classifieds/x.{number}/", "datetime": listed})
        for number in range(given["cards"])
    )
    page = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)
    since = now - timedelta(days=given["max_age_days"])
    return sum(expiry.is_recent(card, since) for card in page.cards)


# --- config-range -----------------------------------------------------------------------------------


def config_range(given: dict[str, Any], ground: Any) -> dict[str, Any]:
    ((name, value),) = given.items()
    if name == "poll_interval_minutes":
        return {"valid": ground.accepts_every(value), "default": ground.shipped_every() / 60}
    try:
        ScrapeOptions.model_validate({name: value})
    except ValidationError:
        valid = False
    else:
        valid = True
    default = ScrapeOptions.model_fields[name].default
    return {"valid": valid, "default": ground.shipped_spacing() if default is None else default}


# --- listing-upsert ---------------------------------------------------------------------------------


def listing_upsert(given: dict[str, Any], ground: Any) -> dict[str, Any]:
    if "cards" in given:
        return ground.empty_first_page()
    if "rule" in given or "channels" in given:
        return ground.told(given)
    first = ground.store(given["existing"]) if given["existing"] else None
    before = ground.listing()
    stored = ground.store(given["scraped"])
    after = ground.listing()
    result = "new" if stored.new else "updated" if stored.changed else "seen"
    found = {"result": result, "price_history_rows": stored.price_changes}
    if first is not None:
        kept = before["first_seen_at"] == after["first_seen_at"]
        bumped = before["last_seen_at"] < after["last_seen_at"]
        found |= {
            "first_seen_at": "kept" if kept else "changed",
            "last_seen_at": "bumped" if bumped else "kept",
        }
    return found


# --- rules ------------------------------------------------------------------------------------------


def matcher(given: dict[str, Any], _: Any) -> dict[str, Any]:
    try:
        rule = grammar.parse(given["expression"], grammar.ORIGINAL)
        checking.check(rule)
    except grammar.RuleError as error:
        return {"error": error.kind}
    (clause, *_rest) = checking.clauses(rule)
    if "listing" not in given:
        return {"field": clause.field}
    found = evaluation.compiled(rule)(evaluation.facts(given["listing"]))
    return {"match": found, "field": clause.field}


def filters(given: dict[str, Any], _: Any) -> dict[str, Any]:
    own = {**(given["rule_filters"] or {}), "categories": given["rule_categories"]}
    limits = Filters().overridden(given["global_filters"]).overridden(own)
    return {"passes": limits.passes(given["listing"])}


def notification(given: dict[str, Any], _: Any) -> dict[str, Any]:
    if "price" in given:
        return {"price_text": wording.price_text(given["price"], given.get("currency"))}
    try:
        answers.judge(Answer("discord", given["http"], "https://discord.example/", {}, b""))
    except UpstreamError:
        return {"delivered": False}
    return {"delivered": True}


class Ground:
    """A database with the shipped rows, on which a case runs."""

    def __init__(self, scrapes: Any, need: Callable[[str], Any]) -> None:
        self.scrapes, self.need = scrapes, need
        self.sql: psycopg.Connection[dict[str, Any]] = scrapes.sql

    def store(self, told: dict[str, Any]) -> storing.Stored:
        from workers.db import transaction

        price = told["price"]
        html = card_html({"price_text": f"{price} USD" if price is not None else ""})
        page = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)
        with transaction() as connection:
            return storing.store(connection, "head_fi", 2, page.cards, "USD")

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

    def empty_first_page(self) -> dict[str, Any]:
        ad = self.store({"price": 1})
        assert ad.new
        self.sql.execute("update site set expire_after = 1")
        run = self.scrapes.run()
        status = self.listing()["status"]
        state = "failed or suspicious" if run["state"] == "failed" else run["state"]
        return {"run_status": state, "expire": status == "expired"}

    def shipped_spacing(self) -> float:
        """The pause of a new installation, which the sandbox and tests shorten."""
        rows = {row[0]: row[3] for row in shipped().UPSTREAMS}
        return self._seconds(rows["head_fi"])

    def shipped_every(self) -> float:
        rows = {row[0]: row[3] for row in shipped().SCHEDULES}
        return self._seconds(rows["listing-scrape"])

    def _seconds(self, interval: str) -> float:
        row = self.sql.execute("select extract(epoch from %s::interval) as s", (interval,)).fetchone()
        assert row is not None
        return float(row["s"])

    def accepts_every(self, minutes: int) -> bool:
        from workers import kinds
        from workers.db import transaction
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


def shipped() -> Any:
    """The migration that writes what a new installation begins with."""
    path = ROOT / "alembic" / "versions" / "0007_defaults.py"
    spec = importlib.util.spec_from_file_location("shipped_defaults", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> Iterator[Ground | None]:
    """Pure cases need no database."""
    if request.node.callspec.params["case"]["area"] not in {"config-range", "listing-upsert"}:
        yield None
        return
    yield Ground(request.getfixturevalue("scrapes"), request.getfixturevalue)
    reset()


ADAPTERS: dict[str, Adapter] = {
    "card-parse": card_parse,
    "config-range": config_range,
    "listing-upsert": listing_upsert,
    "matcher": matcher,
    "matcher-parse": matcher,
    "matcher-precedence": matcher,
    "filters": filters,
    "notification": notification,
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any], ground: Ground | None) -> None:
    found = ADAPTERS[case["area"]](case["input"], ground)
    expected = DECIDED.get(case["id"], case["expected"])
    assert {name: found.get(name) for name in expected} == expected


def test_what_is_left_to_us_is_decided_only_where_a_case_leaves_it() -> None:
    kinds = {case["id"]: case["kind"] for case in CASES}
    assert {kinds[name] for name in DECIDED} == {"optional"}
