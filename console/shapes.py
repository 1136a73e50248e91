"""What the API takes and gives."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from starlette.responses import JSONResponse, Response

from console import sql
from console.access import Visit, act_as
from console.queries.lists import Asked, Piece
from console.queries.schedules import MAX_COUNTED, Filter, Which
from console.refusals import refuse
from workers.cli.output import plain


def value(found: Any) -> Any:
    """A value for JSON: lengths of time in seconds, exact numbers as text."""
    if isinstance(found, Mapping):
        return {str(name): value(one) for name, one in found.items()}
    return [value(one) for one in found] if isinstance(found, list | tuple) else plain(found)


Row = dict[str, Annotated[Any, PlainSerializer(value)]]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Page(BaseModel):
    items: list[Row]
    next: str | None = Field(
        default=None,
        description="Cursor of the next page, also behind a page of few; null: this was the last",
    )
    total: str | None = Field(default=None, description='How many, when asked: "37", or "1,000+"')


class Why(Body):
    why: str | None = Field(default=None, max_length=2000, description="For the audit and for others")


class Pause(Why):
    until: datetime | None = Field(default=None, description="null: until somebody resumes it")


class RunNow(Why):
    options: Row | None = Field(default=None, description="Options for this run only")


class Backfill(Why):
    first: datetime = Field(description="First due time, included")
    last: datetime = Field(description="Last due time, included")
    overlap: str = "buffer_all"
    dry_run: bool = Field(default=True, description="Only count runs, items and calls")


class Copy(Body):
    name: str


class RetryOne(Why):
    only_failed: bool = Field(default=False, description="Only the items that did not succeed")


class Retry(Why):
    schedule: str | None = None
    since: datetime
    dry_run: bool = True


class Chosen(Body, Which):
    """Schedules by their names, or all that pass a filter."""

    names: list[str] | None = Field(default=None, max_length=10_000)
    action: str = Field(description="pause, resume, run, enable, disable or set")

    def which(self) -> Filter | list[str]:
        chosen = self.model_dump(include=set(Which.model_fields), exclude_none=True)
        # A text without a letter chooses nothing, and must not choose all.
        given = {name: value for name, value in chosen.items() if value.strip()}
        if (self.names is None) == (not given):
            raise refuse(422, "give names or a filter", "One of them, not both.", "names")
        return self.names if self.names is not None else Filter.model_construct(**given)


class Bulk(Chosen, Pause):
    column: str | None = Field(default=None, description="set: the column")
    value: Any = Field(default=None, description="set: its value for all")
    expected: int | None = Field(
        default=None, description="What the preview counted; another number is refused"
    )


class Requested(BaseModel):
    request: int
    run_id: UUID | None = Field(default=None, description="Id that the run will have")
    run: str | None = Field(default=None, description="Where it can be read")


def requested(asked: sql.Row) -> sql.Row:
    run = asked["new_run_id"]
    where = f"/api/v1/runs/{run}" if run else None
    return {"request": asked["id"], "run_id": run or asked["run_id"], "run": where}


def list_of(router: APIRouter, name: str, asks: type[Asked]) -> None:
    def listed(visit: Visit, asked: Any) -> Page:
        return page(asked, lambda one: one.read(visit.connection))

    listed.__annotations__["asked"] = Annotated[asks, Query()]
    router.get(f"/{name}", name=f"list_{name}", description=asks.__doc__)(listed)


def page(asked: Any, read: Callable[[Any], Piece], total: str | None = None) -> Page:
    """What ``read`` gives for what is asked, and how many there are where that is asked too."""
    if asked.count and total is None:
        total = read(asked.model_copy(update={"limit": MAX_COUNTED, "cursor": None})).total
    found = read(asked)
    return Page(items=list(found.rows), next=found.next, total=total)


def tagged(found: sql.Row, status: int = 200) -> Response:
    """A row with its ETag, where it has one: the hash of the row, or its revision."""
    tag = found.get("etag", found.get("revision"))
    body = {name: one for name, one in found.items() if name != "etag"}
    return JSONResponse(value(body), status, {"etag": f'"{tag}"'} if tag is not None else None)


def _read_as(
    if_match: Annotated[str | None, Header(description="ETag of the row; * for any")] = None,
) -> str | None:
    if if_match is None:
        raise refuse(428, "an edit needs If-Match", "Send the ETag of the row as you read it.")
    return None if if_match.strip() == "*" else if_match.strip().removeprefix("W/").strip('"')


#: The state that an edit was made from; 428 without one, None for any.
Tag = Annotated[str | None, Depends(_read_as)]
_Key = Annotated[
    str | None,
    Header(
        alias="idempotency-key", min_length=1, max_length=200, description="Repeats are not done again"
    ),
]


class _Once:
    """`Idempotency-Key`: what starts something is started once, however often it is asked for."""

    def __init__(self, visit: Visit, key: _Key = None) -> None:
        self._visit, self._key = visit, key

    def __call__(
        self, asked: Body | None, act: Callable[[], sql.Row], *, dry_run: bool = False
    ) -> Response:
        """Do it and answer; with a key that was used, answer as then. The key is kept for a day."""
        if self._key is None or dry_run:
            return JSONResponse(value(act()), 202)
        visit, connection = self._visit, self._visit.connection
        what = [visit.request.url.path, asked.model_dump(exclude_defaults=True) if asked else {}]
        fingerprint = hashlib.sha256(json.dumps(what, default=str).encode()).digest()
        connection.exec_driver_sql("set local role none")
        sql.execute(connection, "people.forget_keys")
        mine = {"person": visit.person.name, "key": self._key}
        if not sql.rows(connection, "people.take_key", **mine, fingerprint=fingerprint):
            found = sql.rows(connection, "people.key", **mine)[0]
            if bytes(found["fingerprint"]) != fingerprint:
                told = "this Idempotency-Key was used for another request"
                raise refuse(422, told, column="idempotency-key")
            return JSONResponse(found["answer"], found["status"], {"idempotent-replayed": "true"})
        act_as(connection, visit.person.role, visit.person.name, "console api")
        answer = value(act())
        connection.exec_driver_sql("set local role none")
        sql.execute(connection, "people.keep_answer", **mine, answer=json.dumps(answer))
        return JSONResponse(answer, 202)


Once = Annotated[_Once, Depends()]
