"""Dashboard, problems, budgets, workers, channels, outbox, matches and changes: pages and API."""

from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from console import shapes, sql
from console.access import Sent, Visit
from console.queries import lists, schedules, strip
from console.queries.runs import Runs
from console.routes.actions import asked_by_api, asked_by_form
from console.rows import Rows
from console.shapes import Page, Row
from console.templating import Form, drawn_again, go_to, page_of, render

router, api = APIRouter(), APIRouter(tags=["overview"])


@router.get("/")
def dashboard_page(visit: Visit) -> Response:
    connection, states = visit.connection, ("active", "problem")
    listed = {state: Runs(state=state, limit=8).read(connection).rows for state in states}
    counted = {part: sql.first(connection, f"overview.{part}") for part in ("totals", "today")}
    due = sql.rows(connection, "overview.next")
    return render(visit, "dashboard.html", due=due, **listed, **counted)


page_of(router, "/trouble", "trouble.html", lists.Shown, rows="strip.trouble")
page_of(router, "/channels", "channels.html", lists.Shown, rows="notices.channels")
page_of(
    router, "/workers", "workers.html", lists.Shown, queues="processes.queues", lines="processes.lines",
    processes="processes.processes", groups="processes.groups",
)  # fmt: skip


@router.get("/budgets")
def budgets(visit: Visit) -> Response:
    pace = {row["upstream"]: row for row in sql.rows(visit.connection, "upstreams.pace")}
    shown = {"rows": lists.upstreams(visit.connection), "at": (visit.sent or Sent()).get("at", "")}
    return render(visit, "budgets.html", forecasts=pace, **shown)


@router.post("/budgets/{name}/limit", dependencies=[drawn_again("/budgets")])
def limit(visit: Visit, name: str, form: Form) -> Response:
    key, calls = {"upstream": name, "per": form.get("per", "")}, form.get("calls", "").replace(",", "")
    Rows(visit.connection, "quota").update(key, {"calls": calls})
    return go_to(f"/budgets#{name}")


@router.get("/budgets/{name}/chart")
def calls_chart(visit: Visit, name: str) -> Response:
    hours = sql.rows(visit.connection, "upstreams.hours", name=name)
    of_hour = f"/calls?upstream={quote(name)}&since={{since}}&until={{until}}"
    return chart(hours, {line: line for line in ("answered", "failed")}, of_hour)


def chart(values: list[sql.Row], lines: dict[str, str], leads_to: str = "") -> Response:
    """Values over time for the browser's drawing; ``lines``: column → its label."""
    series = [{"label": said, "values": [row[line] for row in values]} for line, said in lines.items()]
    links = [leads_to.format(**row) for row in values if leads_to]
    return JSONResponse({"x": [row["at"] for row in values], "series": series, "links": links})


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
        "today": {name: today[name] for name in ("done", "failed", "partial", "success_share")},
        "next_due": [one for one in coming if one["next_run_at"] is not None],
        "problems": Runs(state="problem", limit=10).read(connection).rows,
    }


@api.get("/strip")
def read_strip(visit: Visit) -> Row:
    """What every page says at its top."""
    return {name: value for name, value in strip.current(visit.connection).items() if name != "wrong"}


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


for _name in ("calls", "batches", "changes", "notices", "matches"):
    shapes.list_of(api, _name, lists.LISTS[_name])
for _name in ("calls", "batches", "changes", "outbox", "matches"):
    _asks = lists.Edits if _name == "changes" else lists.LISTS[_name]
    page_of(router, f"/{_name}", f"{_name}.html", _asks)


asked_by_api(api, "/upstreams/{name}/unblock", "unblock", shapes.Why)
asked_by_api(api, "/changes/{number}/undo", "undo")
asked_by_api(api, "/channels/{name}/test", "send_test")
asked_by_api(api, "/notices/{number}/resend", "resend")
