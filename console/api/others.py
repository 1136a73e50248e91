"""Overviews, changes, notices, what the watches found, and rows of tables that people own."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from console import rows, sql, writes
from console.access import Visit
from console.api import shapes
from console.api.shapes import Number, Once, Page, Row, Tag
from console.queries import lists, runs, schedules, strip
from console.queries.lists import Asked, Search, found_by
from console.refusals import refuse
from tasks.watches import found
from tasks.watches.registry import by_domain
from tasks.watches.watch import Watch

overview, tables = APIRouter(tags=["overview"]), APIRouter(tags=["tables"])


@overview.get("/me")
def me(visit: Visit) -> Row:
    """Who asks, and what they may do."""
    return {"name": visit.person.name, "role": visit.person.role}


@overview.get("/dashboard")
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
        "problems": runs.listed(connection, runs.Filter(state="problem", limit=10)).rows,
    }  # fmt: skip


@overview.get("/strip")
def read_strip(visit: Visit) -> Row:
    """What every page says at its top."""
    shown = strip.current(visit.connection)
    return {name: value for name, value in shown.items() if name != "wrong"}


@overview.get("/health", response_model=Row, responses={503: {"model": Row}})
def health(visit: Visit) -> Response:
    """Beats, workers and what is broken; 503 while something is, also when no beat runs."""
    wrong = sql.rows(visit.connection, "strip.trouble", severity=None)
    well = not any(one["severity"] == "error" for one in wrong)
    beats = sql.rows(visit.connection, "processes.processes", role=None, state=None, group=None)
    body = {"ok": well, "trouble": wrong, "processes": beats}
    return JSONResponse(shapes.value(body), 200 if well else 503)


def _list(
    name: str, read: Callable[..., Any], filtered_by: type[Asked] | None = None, said: str | None = None
) -> None:
    """GET ``/name``: rows that ``read`` finds, all of them or those that pass a filter."""

    def every(visit: Visit) -> Page:
        return Page(items=read(visit.connection))

    def some(visit: Visit, asked: Any) -> Page:
        return shapes.page(read(visit.connection, asked))

    some.__annotations__["asked"] = Annotated[filtered_by, Query()]
    described = overview.get(f"/{name}", name=f"list_{name}", description=said)
    described(some if filtered_by else every)


_list("queues", lambda connection: sql.rows(connection, "processes.queues"))
_list("kinds", lambda connection: sql.rows(connection, "overview.kinds"),
      said="What can be scheduled, with the JSON Schema of its options.")  # fmt: skip
_list("upstreams", lists.upstreams,
      said="Each with its windows (used, left, resets), who waits, outcomes of a day.")  # fmt: skip
_list("calls", lists.calls, lists.CallFilter, "Calls of upstreams, the newest first.")
_list("batches", lists.batches, lists.BatchFilter, "Batches of a run, or all that have not ended.")
_list("changes", lists.changes, lists.ChangeFilter, "Who changed what, the newest first.")
_list("notices", partial(lists.notices, statement="overview.notices"), lists.NoticeFilter)
_list("matches", lists.matches, lists.MatchFilter)


@overview.post("/upstreams/{name}/unblock")
def unblock(visit: Visit, name: str, body: shapes.Why) -> Row:
    return writes.do(visit.connection, "unblock", upstream=name, why=body.why)


@overview.post("/changes/{number}/undo")
def undo(visit: Visit, number: Number) -> Row:
    """A new edit with the old values; 412 where they were changed since."""
    return writes.do(visit.connection, "undo", number=number)


@overview.post("/channels/{name}/test", status_code=202, response_model=Row)
def send_test(visit: Visit, name: str, once: Once) -> Response:
    return once(None, lambda: writes.do(visit.connection, "send_test", channel=name))


@overview.post("/notices/{number}/resend")
def resend(visit: Visit, number: Number) -> Row:
    return writes.resend(visit.connection, number)


def _watch(watch: Watch, plural: str) -> None:
    """What a watch found, under its own word."""

    def listed(visit: Visit, asked: Annotated[Search, Query()]) -> Page:
        return shapes.page(found_by(visit.connection, watch, asked))

    def one(visit: Visit, key: str) -> Row:
        shown = found.panels(visit.connection, watch, key)
        return {"key": key, "panels": {panel.title: rows for panel, rows in shown}}

    words = f"{plural.capitalize()}, the newest first."
    overview.get(f"/{plural}", name=f"list_{plural}", description=words)(listed)
    name = watch.subject if plural == watch.plural else plural
    overview.get(f"/{plural}/{{key:path}}", name=f"read_{name}", response_model=Row)(one)


for _domain, _one in by_domain().items():
    for _word in sorted({_one.plural, _domain}) if _one.pages else ():
        _watch(_one, _word)

#: Those that have no paths of their own.
_NAMES = sorted(rows.owned().keys() - {"schedule", "run_request", "pause_switch", "notice"})
TableName = StrEnum("TableName", {name: name for name in _NAMES})  # type: ignore[misc]
Key = Annotated[
    str, Path(description="The columns of its key, joined by commas: alpha_vantage,00:01:00")
]


def _key(visit: Visit, table: str, given: str) -> dict[str, str]:
    names = rows.key_of(rows.table_of(visit.connection, table))
    parts = given.split(",", len(names) - 1)
    if len(parts) != len(names):
        raise refuse(404, f"a row of {table} is known by {', '.join(names)}")
    return dict(zip(names, parts, strict=True))


@tables.get("/tables/{table}")
def list_rows(visit: Visit, table: TableName, asked: Annotated[Search, Query()]) -> Page:
    return shapes.page(rows.listed(visit.connection, table, asked))


@tables.post("/tables/{table}", status_code=201, response_model=Row)
def create_row(visit: Visit, table: TableName, body: Row) -> Response:
    return shapes.tagged(rows.insert_row(visit.connection, table, body), 201)


@tables.get("/tables/{table}/{key}", response_model=Row)
def read_row(visit: Visit, table: TableName, key: Key) -> Response:
    return shapes.tagged(rows.get(visit.connection, table, _key(visit, table, key)))


@tables.patch("/tables/{table}/{key}", response_model=Row)
def update_row(visit: Visit, table: TableName, key: Key, body: Row, tag: Tag) -> Response:
    return shapes.tagged(rows.update_row(visit.connection, table, _key(visit, table, key), body, tag))


@tables.delete("/tables/{table}/{key}", status_code=204)
def delete_row(visit: Visit, table: TableName, key: Key, tag: Tag) -> None:
    rows.delete_row(visit.connection, table, _key(visit, table, key), tag)
