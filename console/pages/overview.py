"""Dashboard, problems, budgets, workers, channels, outbox, matches and changes."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from console import rows, sql, writes
from console.access import Visit
from console.queries import lists, runs, strip
from console.queries.lists import Piece
from console.sql import Row
from console.templating import Form, drawn_again, go_to, render, word
from tasks.watches.registry import by_subject

router = APIRouter()

NOTICE_STATES = ("open", "waiting", "sending", "sent", "dead")
_SLUGS = {subject: watch.slug for subject, watch in by_subject().items()}

#: Kind of trouble → the page of its subject.
_LINKS = {
    **dict.fromkeys(("failing", "tripped", "late", "set aside"), "/schedules/{}"),
    "many late": "/schedules?sort=need",
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
    shown: dict[str, Any] = {
        name: runs.listed(connection, runs.Filter(state=state, limit=8)).rows
        for name, state in (("active", "active"), ("problems", "problem"))
    }
    totals, today = (sql.first(connection, f"overview.{part}") for part in ("totals", "today"))
    shown |= {"totals": totals, "today": today, "due": sql.rows(connection, "overview.next")}
    return render(
        visit, "dashboard.html", wrong=_linked(strip.current(connection)["wrong"][:8]), **shown
    )


@router.get("/trouble")
def trouble(visit: Visit, severity: str = "") -> Response:
    wrong = _linked(sql.rows(visit.connection, "strip.trouble", severity=severity or None))
    return render(visit, "trouble.html", rows=wrong, severity=severity)


@router.get("/workers")
def workers(visit: Visit, role: str = "", state: str = "", group: str = "") -> Response:
    asked = {"role": role or None, "state": state or None, "group": group or None}
    shown: dict[str, Any] = {
        part: sql.rows(visit.connection, f"processes.{part}") for part in ("queues", "groups")
    }
    shown |= {"asked": asked, "processes": sql.rows(visit.connection, "processes.processes", **asked)}
    lines = {row["queue"]: row for row in sql.rows(visit.connection, "processes.lines")}
    return render(visit, "workers.html", lines=lines, **shown)


@router.get("/budgets")
def budgets(visit: Visit) -> Response:
    pace = {row["upstream"]: row for row in sql.rows(visit.connection, "upstreams.pace")}
    shown = lists.upstreams(visit.connection)
    at = word(visit.sent or {}, "at")
    return render(visit, "budgets.html", rows=shown, forecasts=pace, at=at)


@router.post("/budgets/{name}/unblock", dependencies=[drawn_again("/budgets")])
def unblock(visit: Visit, name: str, form: Form) -> Response:
    writes.do(visit.connection, "unblock", upstream=name, why=word(form, "reason"))
    return go_to(f"/budgets#{name}")


@router.post("/budgets/{name}/limit", dependencies=[drawn_again("/budgets")])
def limit(visit: Visit, name: str, form: Form) -> Response:
    """Another number of calls in a window, in force at once."""
    key, calls = {"upstream": name, "per": word(form, "per")}, word(form, "calls").replace(",", "")
    rows.update_row(visit.connection, "quota", key, {"calls": calls})
    return go_to(f"/budgets#{name}")


@router.get("/budgets/{name}/chart")
def calls_chart(visit: Visit, name: str) -> Response:
    hours = sql.rows(visit.connection, "upstreams.hours", name=name)
    return chart(hours, {line: line for line in ("answered", "failed")})


def chart(values: list[Row], lines: dict[str, str]) -> Response:
    """Values over time for the browser's drawing; ``lines``: column → its label."""
    series = [{"label": said, "values": [row[line] for row in values]} for line, said in lines.items()]
    return JSONResponse({"x": [row["at"] for row in values], "series": series})


def _list(name: str, read: Callable[..., Piece], filtered_by: type[lists.Asked], **shown: Any) -> None:
    """GET ``/name``: the page of a list with its filter."""

    def page(visit: Visit, asked: Any) -> Response:
        return render(visit, f"{name}.html", found=read(visit.connection, asked), asked=asked, **shown)

    page.__annotations__["asked"] = Annotated[filtered_by, Query()]
    router.get(f"/{name}")(page)


_list("calls", lists.calls, lists.CallFilter, outcomes=lists.OUTCOMES)
_list("batches", lists.batches, lists.BatchFilter)
_list("outbox", lists.notices, lists.NoticeFilter, states=NOTICE_STATES)
_list("matches", lists.matches, lists.MatchFilter, slugs=_SLUGS)
_list("changes", lists.changes, lists.ChangeFilter)


@router.get("/channels")
def channels(visit: Visit) -> Response:
    return render(visit, "channels.html", rows=sql.rows(visit.connection, "notices.channels"))


@router.post("/channels/{name}/test", dependencies=[drawn_again("/channels")])
def test(visit: Visit, name: str) -> Response:
    """A test message, sent as every notice is; its answer appears in the outbox."""
    writes.do(visit.connection, "send_test", channel=name)
    return go_to(f"/outbox?channel={name}")


@router.post("/outbox/{number}/resend")
def resend(visit: Visit, number: int) -> Response:
    writes.resend(visit.connection, number)
    return go_to("/outbox")


@router.post("/changes/{number}/undo", dependencies=[drawn_again("/changes")])
def undo(visit: Visit, number: int, form: Form) -> Response:
    """A new edit that takes it back; refused where its columns changed since."""
    made = writes.do(visit.connection, "undo", number=number)
    to = word(form, "next")
    return go_to(to if to.startswith("/schedules/") else f"/changes#change-{made['id']}")
