"""Watches, drawn from their descriptors: none is known by name; and rules tried on what they found."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from console import shapes, sql
from console.access import Visit, VisitOf
from console.queries.lists import Search, found_by
from console.refusals import Refusal, Refused, refuse
from console.routes.overview import chart
from console.rows import Rows, present
from console.shapes import Page, Row
from console.templating import render
from tasks.watches import found, parsed_rules
from tasks.watches.grammar import RuleError
from tasks.watches.parsed_rules import Ready
from tasks.watches.registry import by_domain, by_subject
from tasks.watches.rules import common_filters
from tasks.watches.watch import Watch

router, api = APIRouter(), APIRouter(tags=["overview"])
SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


def named(name: str) -> tuple[str, Watch]:
    known = {watch.slug: (domain, watch) for domain, watch in by_domain().items()}
    if name not in known:
        raise refuse(404, f"no watch finds {name}", f"One of {', '.join(known)}")
    return known[name]


def _schedules(visit: Visit, domain: str) -> list[sql.Row]:
    return sql.rows(visit.connection, "watches.schedules", tasks=f"tasks.{domain}.%")


@router.get("/watches")
def index(visit: Visit) -> Response:
    watches = [(watch, _schedules(visit, domain)) for domain, watch in by_domain().items()]
    counts = sql.first(visit.connection, "watches.counts")
    return render(visit, "watches.html", watches=watches, counts=counts)


@router.get("/watches/{name}")
def found_page(visit: Visit, name: str, asked: Annotated[Search, Query()]) -> Response:
    domain, watch = named(name)
    piece = found_by(visit.connection, watch, asked)
    overview = watch.pages.overview if watch.pages and not asked.cursor and not asked.q else ()
    shown = {
        "overview": found.shown(visit.connection, overview),
        "schedules": _schedules(visit, domain),
    }
    return render(visit, "watch.html", watch=watch, piece=piece, asked=asked, **shown)


@router.get("/watches/{name}/{key}")
def thing_page(visit: Visit, name: str, key: str) -> Response:
    _, watch = named(name)
    thing = present(found.thing(visit.connection, watch, key), watch.subject, {"key": key})
    matches = sql.rows(visit.connection, "watches.matches", subject=watch.subject, key=key)
    shown = {"title": thing[0], "panels_": thing[1], "matches": matches}
    return render(visit, "thing.html", watch=watch, key=key, **shown)


@router.get("/watches/{name}/{key}/chart/{place}")
def chart_of(visit: Visit, name: str, key: str, place: int) -> Response:
    pages = named(name)[1].pages
    panels = pages.details[place : place + 1] if pages else ()
    if [panel.kind for panel in panels] != ["chart"]:
        raise refuse(404, "no such chart")
    ((_, values),) = found.shown(visit.connection, panels, key=key)
    drawn = [{column: _drawn(value) for column, value in row.items()} for row in values]
    return chart(drawn, {one: one.replace("_", " ") for one in (drawn or [{}])[0] if one != "at"})


def _drawn(value: object) -> object:
    """Times in seconds, exact numbers as numbers."""
    if isinstance(value, Decimal):
        return float(value)
    return value.timestamp() if isinstance(value, datetime) else value


def check(visit: VisitOf, values: Mapping[str, Any]) -> Ready:
    """A rule as a form has it; refused with what is wrong, where, and what to write."""
    try:
        return parsed_rules.ready(parsed_rules.tried(values), common_filters(visit.connection))
    except RuleError as error:
        written = str(values.get("expression") or "")
        where = f"{written[: error.at]} ⟶ {written[error.at :]}"
        found = Refusal(422, str(error), detail=where, hint=error.hint, column="expression")
        raise Refused(found) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise refuse(422, str(error), column="filters") from error


@router.get("/rules/{name}/try")
def try_page(
    visit: Visit, name: str, expression: str = "", span: str = "7d", key: str = ""
) -> Response:
    """What a rule would have matched, and why it fits one thing or not; nothing is written."""
    row = Rows(visit.connection, "rule").get({"name": name})
    tried = {**row, "expression": expression or row["expression"]}
    watch = present(by_subject().get(row["subject"]), "watch of", {"subject": row["subject"]})
    shown: dict[str, Any] = {"hits": [], "clauses": [], "seen": [], "refusal": None}
    try:
        ready = check(visit, tried)
    except Refused as refused:
        shown["refusal"] = refused.refusal
    else:
        shown["seen"] = found.seen(visit.connection, watch, SPANS.get(span, SPANS["7d"]), name)
        fitting = [one for one in shown["seen"] if ready.fits(watch, watch.fields_of(one))]
        shown["hits"] = [watch.described(one) for one in fitting]
        asked = found.one(visit.connection, watch, key, name) if key else None
        shown["clauses"] = ready.explained(watch, watch.fields_of(asked)) if asked is not None else []
    given = {"name": name, "span": span, "key": key, "spans": list(SPANS), "saved": row["expression"]}
    return render(visit, "rule_try.html", rule=tried, watch=watch, **given, **shown)


def _watch(watch: Watch, plural: str) -> None:
    def listed(visit: Visit, asked: Annotated[Search, Query()]) -> Page:
        return shapes.page(asked, lambda one: found_by(visit.connection, watch, one))

    def one(visit: Visit, key: str) -> Row:
        shown = found.panels(visit.connection, watch, key)
        present(next((True for _, rows in shown if rows), None), watch.subject, {"key": key})
        return {"key": key, "panels": {panel.title: rows for panel, rows in shown}}

    words = f"{plural.capitalize()}, the newest first."
    api.get(f"/{plural}", name=f"list_{plural}", description=words)(listed)
    name = watch.subject if plural == watch.plural else plural
    api.get(f"/{plural}/{{key:path}}", name=f"read_{name}", response_model=Row)(one)


for _domain, _one in by_domain().items():
    for _word in sorted({_one.plural, _domain}) if _one.pages else ():
        _watch(_one, _word)
