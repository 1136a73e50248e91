"""What the API takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from console import cursors
from console.queries.lists import Piece
from console.queries.schedules import SORTS, STATES, Filter
from console.refusals import refuse
from workers.cli.output import plain

Row = dict[str, Any]
#: A row as it was read.
Found = Mapping[Any, Any]
Limit = Annotated[int, Query(ge=1, le=100, description="Rows of a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=2000)]
Name = Annotated[str, Query(max_length=200)]
IfMatch = Annotated[str | None, Header(description="ETag of the row as it was read; * for any")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457, with the database's own words."""

    type: str
    title: str
    status: int
    detail: str | None = None
    hint: str | None = None
    column: str | None = None
    constraint: str | None = None
    sqlstate: str | None = None


class Page(BaseModel):
    items: list[Row]
    next: str | None = Field(
        default=None,
        description="Cursor of the next page, also behind a page of few; null: this was the last",
    )
    total: str | None = Field(default=None, description='How many, when asked: "37", or "1,000+"')


class ScheduleFilter(BaseModel):
    """Which schedules, in which order."""

    q: str | None = Field(None, description="Part of name, title or note", max_length=200)
    state: str | None = Field(None, description=", ".join(STATES))
    task: str | None = None
    queue: str | None = None
    upkeep: bool | None = Field(None, description="false leaves upkeep out, true shows it alone")
    sort: str = Field("need", description=", ".join(SORTS))
    count: bool = Field(False, description="Say how many there are, counted up to 1,000")
    limit: int = Field(50, ge=1, le=100, description="Rows of a page")
    cursor: str | None = Field(None, description="`next` of the page before", max_length=2000)


class RunFilter(BaseModel):
    """Which runs."""

    schedule: str | None = None
    task: str | None = None
    state: str | None = Field(None, description="A state, active or problem")
    trigger: str | None = None
    q: str | None = Field(None, description="Part of error or summary", max_length=200)
    since: datetime | None = None
    limit: int = Field(50, ge=1, le=100, description="Rows of a page")
    cursor: str | None = Field(None, description="`next` of the page before", max_length=2000)


class ChangeFilter(BaseModel):
    """Which changes."""

    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: datetime | None = None
    operation: UUID | None = None
    limit: int = Field(50, ge=1, le=100, description="Rows of a page")
    cursor: str | None = Field(None, description="`next` of the page before", max_length=2000)


class Why(Body):
    why: str | None = Field(None, max_length=2000, description="For the audit and for others")


class Pause(Why):
    until: datetime | None = Field(None, description="null: until somebody resumes it")


class RunNow(Why):
    options: Row | None = Field(None, description="Options for this run only")


class Backfill(Why):
    first: datetime = Field(description="First due time, included")
    last: datetime = Field(description="Last due time, included")
    overlap: str = "buffer_all"
    dry_run: bool = Field(True, description="Only count runs, items and calls")


class Copy(Body):
    name: str


class RetryOne(Why):
    only_failed: bool = Field(False, description="Only the items that did not succeed")


class Retry(Why):
    schedule: str | None = None
    since: datetime
    dry_run: bool = True


class Chosen(Body):
    """Schedules by their names, or all that pass a filter."""

    names: list[str] | None = Field(None, max_length=10_000)
    q: str | None = None
    state: str | None = None
    task: str | None = None
    queue: str | None = None
    action: str = Field(description="pause, resume, run, enable, disable or set")

    def which(self) -> Filter | list[str]:
        given = (self.q, self.state, self.task, self.queue)
        if (self.names is None) == (given == (None, None, None, None)):
            raise refuse(422, "give names or a filter", "One of them, not both.", "names")
        return self.names if self.names is not None else Filter(*given)


class Bulk(Chosen):
    why: str | None = None
    until: datetime | None = None
    column: str | None = Field(None, description="set: the column")
    value: Any = Field(None, description="set: its value for all")
    expected: int | None = Field(
        None, description="What the preview counted; another number is refused"
    )


class Requested(BaseModel):
    request: int
    run_id: UUID | None = Field(None, description="Id that the run will have")
    run: str | None = Field(None, description="Where it can be read")


def row(found: Found) -> Row:
    """A row for JSON: lengths of time in seconds, exact numbers as text."""
    return {str(name): value(one) for name, one in found.items() if name != "etag"}


def value(found: Any) -> Any:
    if isinstance(found, Mapping):
        return row(found)
    return [value(one) for one in found] if isinstance(found, list | tuple) else plain(found)


def page(
    found: Sequence[Found],
    limit: int,
    place: Callable[[Found], tuple[Any, ...]],
) -> Page:
    """A page of rows of which one more than ``limit`` were asked for."""
    more = len(found) > limit
    shown = [row(one) for one in found[:limit]]
    return Page(items=shown, next=cursors.encode(*place(found[limit - 1])) if more else None)


def piece(found: Piece) -> Page:
    """A page of a list that is read piece by piece: it may hold few, and go on."""
    return Page(
        items=[row(one) for one in found.rows],
        next=cursors.encode(*found.after) if found.after else None,
    )


def one(found: Found | None, missing: str) -> Row:
    if found is None:
        raise refuse(404, missing)
    return row(found)


def tagged(found: Found, status: int = 200) -> Response:
    """A row with its ETag: the revision, or the hash of the row."""
    tag = found["etag"] if "etag" in found else found["revision"]
    return JSONResponse(row(found), status, {"etag": f'"{tag}"'})


def required(if_match: str | None) -> str | None:
    """The state that an edit was made from; 428 without one, None for any."""
    if if_match is None:
        raise refuse(428, "an edit needs If-Match", "Send the ETag of the row as you read it.")
    return None if if_match.strip() == "*" else if_match.strip().removeprefix("W/").strip('"')
