"""Dashboard, problems, budgets, workers, channels, outbox, matches and changes: pages and API."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from console import shapes, sql
from console.access import Sent, Visit
from console.queries import lists, schedules, strip
from console.queries.runs import Runs
from console.routes.actions import asked_by_api, asked_by_form
from console.rows import Rows
from console.shapes import Page, Row
from console.templating import Form, drawn_again, go_to, render

router, api = APIRouter(), APIRouter(tags=["overview"])


@router.get("/")
def dashboard_page(visit: Visit) -> Response:
    connection = visit.connection
    shown: dict[str, Any] = {
        name: Runs(state=state, limit=8).read(connection).rows
        for name, state in (("active", "active"), ("problems", "problem"))
    }
    totals, today = (sql.first(connection, f"overview.{part}") for part in ("totals", "today"))
    shown |= {"totals": totals, "today": today, "due": sql.rows(connection, "overview.next")}
    return render(visit, "dashboard.html", wrong=strip.current(connection)["wrong"][:8], **shown)


@router.get("/trouble")
def trouble(visit: Visit, severity: str = "") -> Response:
    wrong = sql.rows(visit.connection, "strip.trouble", severity=severity or None)
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
    at = (visit.sent or Sent()).get("at", "")
    return render(visit, "budgets.html", rows=shown, forecasts=pace, at=at)


@router.post("/budgets/{name}/limit", dependencies=[drawn_again("/budgets")])
def limit(visit: Visit, name: str, form: Form) -> Response:
    key, calls = {"upstream": name, "per": form.get("per", "")}, form.get("calls", "").replace(",", "")
    Rows(visit.connection, "quota").update(key, {"calls": calls})
    return go_to(f"/budgets#{name}")


@router.get("/budgets/{name}/chart")
def calls_chart(visit: Visit, name: str) -> Response:
    hours = sql.rows(visit.connection, "upstreams.hours", name=name)
    return chart(hours, {line: line for line in ("answered", "failed")})


def chart(values: list[sql.Row], lines: dict[str, str]) -> Response:
    """Values over time for the browser's drawing; ``lines``: column → its label."""
    series = [{"label": said, "values": [row[line] for row in values]} for line, said in lines.items()]
    return JSONResponse({"x": [row["at"] for row in values], "series": series})


@router.get("/channels")
def channels(visit: Visit) -> Response:
    return render(visit, "channels.html", rows=sql.rows(visit.connection, "notices.channels"))


asked_by_form(router, "/budgets/{name}/unblock", "unblock", "/budgets#{name}", "/budgets")
# A test message, sent as every notice is; its answer appears in the outbox.
asked_by_form(router, "/channels/{name}/test", "send_test", "/outbox?channel={name}", "/channels")
asked_by_form(router, "/outbox/{number:int}/resend", "resend", "/outbox")
asked_by_form(router, "/changes/{number:int}/undo", "undo", "/changes#change-{id}", "/changes")


@api.get("/me")
def me(visit: Visit) -> Row:
    """Who asks, and what they may do."""
    return {"name": visit.person.name, "role": visit.person.role}


@api.get("/dashboard")
def dashboard(visit: Visit) -> Row:
    """Totals, today's ends, next due times, last problems."""
    connection = visit.connection
    today = sql.rows(connection, "overview.today")[0]
    coming = schedules.page(connection, schedules.Filter(sort="next", limit=10)).rows
    return {
        **sql.rows(connection, "overview.totals")[0],
        "today": {
            "done": today["succeeded"], "failed": today["failed"], "partial": today["partial"],
            "success_share": today["succeeded"] / today["all_ended"] if today["all_ended"] else None,
        },
        "next_due": [one for one in coming if one["next_run_at"] is not None],
        "problems": Runs(state="problem", limit=10).read(connection).rows,
    }  # fmt: skip


@api.get("/strip")
def read_strip(visit: Visit) -> Row:
    """What every page says at its top."""
    shown = strip.current(visit.connection)
    return {name: value for name, value in shown.items() if name != "wrong"}


@api.get("/health", response_model=Row, responses={503: {"model": Row}})
def health(visit: Visit) -> Response:
    """Beats, workers and what is broken; 503 while something is, also when no beat runs."""
    wrong = sql.rows(visit.connection, "strip.trouble", severity=None)
    well = not any(one["severity"] == "error" for one in wrong)
    beats = sql.rows(visit.connection, "processes.processes", role=None, state=None, group=None)
    body = {"ok": well, "trouble": wrong, "processes": beats}
    return JSONResponse(shapes.value(body), 200 if well else 503)


@api.get("/queues")
def list_queues(visit: Visit) -> Page:
    return Page(items=sql.rows(visit.connection, "processes.queues"))


@api.get("/kinds")
def list_kinds(visit: Visit) -> Page:
    """What can be scheduled, with the JSON Schema of its options."""
    return Page(items=sql.rows(visit.connection, "overview.kinds"))


@api.get("/upstreams")
def list_upstreams(visit: Visit) -> Page:
    """Each with its windows (used, left, resets), who waits, outcomes of a day."""
    return Page(items=lists.upstreams(visit.connection))


def _list(name: str) -> None:
    """The page of a list with its filter."""

    def page(visit: Visit, asked: Any) -> Response:
        return render(visit, f"{name}.html", found=asked.read(visit.connection), asked=asked)

    page.__annotations__["asked"] = Annotated[lists.LISTS[name], Query()]
    router.get(f"/{name}")(page)


for _name in ("calls", "batches", "changes", "notices", "matches"):
    shapes.list_of(api, _name, lists.LISTS[_name])
for _name in ("calls", "batches", "changes", "outbox", "matches"):
    _list(_name)


asked_by_api(api, "/upstreams/{name}/unblock", "unblock", shapes.Why)
asked_by_api(api, "/changes/{number}/undo", "undo")
asked_by_api(api, "/channels/{name}/test", "send_test")
asked_by_api(api, "/notices/{number}/resend", "resend")
