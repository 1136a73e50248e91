"""Dashboard, problems, budgets, workers, channels, outbox, matches and changes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, RedirectResponse, Response

from console import rows, sql, writes
from console.access import Visit, VisitOf
from console.pages.layout import Form, done, word
from console.queries import changes, found, runs, strip, upstreams
from console.queries.lists import Asked, numbered
from console.refusals import Refusal
from console.sql import Row
from console.templating import render
from tasks.watches.registry import by_subject

router = APIRouter()

#: Kind of trouble → the page of its subject.
_LINKS = {
    **dict.fromkeys(("failing", "tripped", "late", "set aside"), "/schedules/{}"),
    **dict.fromkeys(("beat silent", "worker silent", "queue unserved"), "/workers"),
    "notices held": "/outbox?channel={}&state=waiting",
    "notices dead": "/outbox?channel={}&state=dead",
    "quota low": "/budgets",
    "blocked": "/budgets#{}",
    "rule wrong": "/tables/rule/row?name={}",
}


def _linked(wrong: list[Row]) -> list[Row]:
    return [{**one, "link": _LINKS.get(one["kind"], "/").format(one["subject"])} for one in wrong]


@router.get("/")
def dashboard(visit: Visit) -> Response:
    connection = visit.connection
    active, problems = (
        runs.listed(connection, runs.Filter(state=state, limit=8)).rows
        for state in ("active", "problem")
    )
    return render(
        visit,
        "dashboard.html",
        totals=sql.first(connection, "overview.totals"),
        today=sql.first(connection, "overview.today"),
        wrong=_linked(strip.current(connection).wrong[:8]),
        active=active,
        problems=problems,
        due=sql.rows(connection, "overview.next"),
    )


@router.get("/trouble")
def trouble(visit: Visit) -> Response:
    wrong = _linked(sql.rows(visit.connection, "strip.trouble"))
    return render(visit, "trouble.html", rows=wrong)


@router.get("/workers")
def workers(visit: Visit) -> Response:
    parts = ("processes", "queues", "groups")
    shown: dict[str, Any] = {part: sql.rows(visit.connection, f"processes.{part}") for part in parts}
    lines = {row["queue"]: row["ready"] for row in sql.rows(visit.connection, "processes.lines")}
    return render(visit, "workers.html", lines=lines, **shown)


@router.get("/budgets")
def budgets(visit: Visit) -> Response:
    return _budgets(visit)


def _budgets(visit: VisitOf, refusal: Refusal | None = None, at: str | None = None) -> Response:
    pace = {row["upstream"]: row for row in sql.rows(visit.connection, "upstreams.pace")}
    shown = upstreams.listed(visit.connection)
    return render(visit, "budgets.html", refusal=refusal, rows=shown, forecasts=pace, at=at)


@router.post("/budgets/{name}/unblock")
def unblock(visit: Visit, name: str, form: Form) -> Response:
    def act() -> str:
        writes.unblock(visit.connection, name, word(form, "reason"))
        return f"/budgets#{name}"

    return done(visit, act, lambda refusal: _budgets(visit, refusal, name))


@router.post("/budgets/{name}/limit")
def limit(visit: Visit, name: str, form: Form) -> Response:
    """Another number of calls in a window, in force at once."""
    key = {"upstream": name, "per": word(form, "per")}

    def act() -> str:
        calls = {"calls": word(form, "calls").replace(",", "")}
        rows.update_row(visit.connection, "quota", key, calls)
        return f"/budgets#{name}"

    return done(visit, act, lambda refusal: _budgets(visit, refusal, f"{name} {key['per']}"))


@router.get("/budgets/{name}/chart")
def calls_chart(visit: Visit, name: str) -> Response:
    hours = sql.rows(visit.connection, "upstreams.hours", name=name)
    return chart(hours, {line: line for line in ("answered", "failed")})


def chart(values: list[Row], lines: dict[str, str]) -> Response:
    """Values over time for the browser's drawing; ``lines``: column → its label."""
    series = [
        {"label": label, "values": [row[line] for row in values]} for line, label in lines.items()
    ]
    return JSONResponse({"x": [row["at"] for row in values], "series": series})


@router.get("/channels")
def channels(visit: Visit) -> Response:
    return _channels(visit)


def _channels(visit: VisitOf, refusal: Refusal | None = None) -> Response:
    shown = sql.rows(visit.connection, "notices.channels")
    return render(visit, "channels.html", refusal=refusal, rows=shown)


@router.post("/channels/{name}/test")
def test(visit: Visit, name: str) -> Response:
    """A test message, sent as every notice is; its answer appears in the outbox."""

    def act() -> str:
        return f"/outbox?channel={writes.send_test(visit.connection, name)['channel']}"

    return done(visit, act, lambda refusal: _channels(visit, refusal))


class NoticeFilter(Asked):
    state: str | None = None
    channel: str | None = None


@router.get("/outbox")
def outbox(visit: Visit, asked: Annotated[NoticeFilter, Query()]) -> Response:
    chosen = {"state": asked.state, "channel": asked.channel}
    shown = numbered(visit.connection, "notices.outbox", asked, **chosen)
    states = ("waiting", "sending", "sent", "dead")
    return render(
        visit, "outbox.html", rows=shown.rows, more=shown.next, given=asked.given, states=states
    )


@router.post("/outbox/{number}/resend")
def resend(visit: Visit, number: int) -> Response:
    """Try a notice once more that was given up."""
    writes.resend(visit.connection, number)
    return RedirectResponse("/outbox", 303)


@router.get("/matches")
def matches(visit: Visit, asked: Annotated[found.MatchFilter, Query()]) -> Response:
    shown = found.matches(visit.connection, asked)
    slugs = {subject: watch.slug for subject, watch in by_subject().items()}
    given = {**asked.given, "slugs": slugs}
    return render(visit, "matches.html", rows=shown.rows, more=shown.next, **given)


@router.get("/changes")
def list_page(visit: Visit, asked: Annotated[changes.Filter, Query()]) -> Response:
    return _changes(visit, asked)


def _changes(visit: VisitOf, asked: changes.Filter, refusal: Refusal | None = None) -> Response:
    shown = changes.listed(visit.connection, asked)
    page: dict[str, Any] = {"rows": shown.rows, "more": shown.next, "given": asked.given}
    return render(visit, "changes.html", refusal=refusal, **page)


@router.post("/changes/{number}/undo")
def undo(visit: Visit, number: int, form: Form) -> Response:
    """A new edit that takes it back; refused where its columns changed since."""

    def act() -> str:
        made = writes.undo(visit.connection, number)
        to = word(form, "next")
        return to if to.startswith("/schedules/") else f"/changes#change-{made['id']}"

    return done(visit, act, lambda refusal: _changes(visit, changes.Filter(), refusal))
