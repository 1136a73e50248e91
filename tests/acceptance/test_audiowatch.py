"""The cases of the classifieds system, by id: adapters rename fields, then call production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.listings import store, text_fields
from tasks.listings.scrape import ScrapeOptions
from tasks.watches import evaluation, grammar, nodes, parsed_rules, registry, wording
from tasks.watches.filters import Filters
from tests.support.cases.classifieds import CaseEnvironment, card_html, parsed
from tests.support.cases.common import cases
from workers.upstreams.client import reset

#: What we decided where a case leaves the choice; README.md beside this lists it.
DECIDED: dict[str, dict[str, Any]] = {
    "AU-033": {"error": "type"},
    "AU-066": {"error": "type"},
    "AU-067": {"error": "type"},
    "AU-068": {"error": "type"},
    "AU-120": {"passes": False},
}
Adapter = Callable[[dict[str, Any], Any], dict[str, Any]]


# --- card-parse -------------------------------------------------------------------------------------


def card_parse(given: dict[str, Any], environment: CaseEnvironment | None) -> dict[str, Any]:
    if "detail_h1" in given:
        status, title = text_fields.title_status(given["detail_h1"])
        return {"status": status, "title": title}
    if "max_age_days" in given:
        assert environment is not None
        return {"yielded": yielded(given, environment)}
    page = parsed(given.get("html") or card_html(given))
    if not page.cards:
        return {"skipped": True, "next_url": page.next_url}
    card = page.cards[0]
    row = store.merged(None, card, "USD")
    return {
        "skipped": False,
        "cards": len(page.cards),
        "external_id": card.external_id,
        "url": row["url"],
        "title": row["title"],
        "listing_type": card.listing_type,
        "price": row["price"],
        "currency": row["currency"],
        "status": row["status"],
        "seller_username": row["seller"],
        "seller_reputation": row["seller_reputation"],
        "condition": row["condition"],
        "negotiability": row["negotiability"],
        "ships_to": row["ships_to"],
        "image_url": row["image_url"],
        "listed_at": row["listed_at"],
        "last_edited_at": row["edited_at"],
        "next_url": page.next_url,
    }


def yielded(given: dict[str, Any], environment: CaseEnvironment) -> int:
    now = datetime.now(UTC)
    listed = (now - timedelta(days=given["listed_days_ago"])).isoformat()
    html = "".join(
        card_html({"href": f"/classifieds/x.{number}/", "datetime": listed})
        for number in range(given["cards"])
    )
    since = now - timedelta(days=given["max_age_days"])
    return environment.store_cards(parsed(html).cards, since).new


# --- config-range -----------------------------------------------------------------------------------


def config_range(given: dict[str, Any], environment: Any) -> dict[str, Any]:
    ((name, value),) = given.items()
    if name == "poll_interval_minutes":
        return {"valid": environment.accepts_every(value), "default": environment.shipped_every() / 60}
    try:
        ScrapeOptions.model_validate({name: value})
    except ValidationError:
        valid = False
    else:
        valid = True
    default = ScrapeOptions.model_fields[name].default
    return {"valid": valid, "default": environment.shipped_spacing() if default is None else default}


# --- listing-upsert ---------------------------------------------------------------------------------


def listing_upsert(given: dict[str, Any], environment: Any) -> dict[str, Any]:
    if "cards" in given:
        return environment.empty_first_page(given.get("http", 200))
    if "rule" in given or "channels" in given:
        return environment.told(given)
    first = environment.store(given["existing"]) if given["existing"] else None
    before = environment.listing()
    stored = environment.store(given["scraped"])
    after = environment.listing()
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
    """A rule as `parsed_rules.ready` reads it; one that is refused matches nothing."""
    try:
        rule, test = parsed_rules.parsed(given["expression"], grammar.ORIGINAL, "listing")
    except grammar.RuleError as error:
        return {"error": error.kind, "match": False}
    (clause, *_rest) = nodes.clauses(rule)
    if "listing" not in given:
        return {"field": clause.field}
    return {
        "match": test(evaluation.facts(given["listing"], registry.fields("listing"))),
        "field": clause.field,
    }


def filters(given: dict[str, Any], _: Any) -> dict[str, Any]:
    own = {**(given["rule_filters"] or {}), "categories": given["rule_categories"]}
    limits = Filters().overridden(given["global_filters"]).overridden(own)
    return {"passes": limits.passes(given["listing"])}


def notification(given: dict[str, Any], environment: CaseEnvironment | None) -> dict[str, Any]:
    if "price" in given:
        return {"price_text": wording.price_text(given["price"], given.get("currency"))}
    assert environment is not None
    return {"delivered": environment.delivered(given["http"])}


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> Iterator[CaseEnvironment | None]:
    """Pure cases need no database."""
    case = request.node.callspec.params["case"]
    needs = case["area"] in {"config-range", "listing-upsert"}
    if not needs and not case["input"].keys() & {"max_age_days", "http"}:
        yield None
        return
    yield CaseEnvironment(request.getfixturevalue("scrapes"), request.getfixturevalue)
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


@pytest.mark.parametrize("case", cases("audiowatch"))
def test_case(case: dict[str, Any], environment: CaseEnvironment | None) -> None:
    found = ADAPTERS[case["area"]](case["input"], environment)
    expected = DECIDED.get(case["id"], case["expected"])
    for name, value in expected.items():
        assert as_written(name, found.get(name), value) == value, name


def as_written(name: str, found: Any, expected: Any) -> Any:
    """What was found, in the words of the case when it means the same: numbers, instants, either … or."""
    if found is None or expected is None:
        return found
    same = {
        "price": lambda: Decimal(found) == Decimal(expected),
        "listed_at": lambda: found == text_fields.parse_time(expected),
        "last_edited_at": lambda: found == text_fields.parse_time(expected),
        "run_status": lambda: bool(found & set(expected.split(" or "))),
    }.get(name, lambda: False)
    return expected if same() else found


def test_what_is_left_to_us_is_decided_only_where_a_case_leaves_it() -> None:
    kinds = {case["id"]: case["kind"] for (case,) in (one.values for one in cases("audiowatch"))}
    assert {kinds[name] for name in DECIDED} == {"optional"}
