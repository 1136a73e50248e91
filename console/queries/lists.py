"""Lists, a page at a time by keyset: what is asked of them, opaque cursors, pieces of long ones."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import GenericAlias
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, model_validator
from sqlalchemy import Connection, text

from console import sql
from console.refusals import refuse
from console.sql import Row
from tasks.watches import found
from tasks.watches.comparing import containing
from tasks.watches.watch import Watch

#: Rows that one page looks at, at most; the next page goes on from there.
WINDOW = 20_000
#: A number that a column of numbered rows can hold.
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
#: A time of an address: in UTC unless it says otherwise.
Moment = Annotated[
    datetime, AfterValidator(lambda at: at if at.tzinfo is not None else at.replace(tzinfo=UTC))
]

#: The order of numbered rows, and the kind of its place.
BY_NUMBER = {"id": Number}
#: What became of a call; failed is any of them but answered.
OUTCOMES = ("in flight", "answered", "failed", "refused", "broken", "others", "unanswered")
BATCH_STATES = ("ready", "running", "waiting_for_quota", "later")
#: Fields of the filter → columns.
_CHANGE_COLUMNS = {"table": "table_name", "name": "name", "by": "changed_by", "operation": "operation"}
#: Numbers rise with the time.
_SINCE = "id >= (select id from change where changed_at >= :since order by changed_at limit 1)"


class Asked(BaseModel):
    """Which rows of a list, by the page's address or the API's; an empty text stands for none."""

    limit: int = Field(default=50, ge=1, le=100, description="Rows of a page")
    cursor: str | None = Field(default=None, description="`next` of the page before", max_length=2000)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""}

    @property
    def given(self) -> dict[str, Any]:
        """The filters as an address says them."""
        chosen = self.model_dump(mode="json", exclude={"limit", "cursor"})
        return {name: "" if value is None else value for name, value in chosen.items()}


class Piece(NamedTuple):
    """Rows that pass, and the place from which the next page goes on (None: there is none)."""

    rows: Sequence[Row]
    after: tuple[Any, ...] | None

    @property
    def next(self) -> str | None:
        return encode(*self.after) if self.after else None


def encode(*place: Any) -> str:
    written = TypeAdapter(list[Any]).dump_json(list(place))
    return base64.urlsafe_b64encode(written).rstrip(b"=").decode()


def decode(cursor: str | None, *kinds: Any) -> tuple[Any, ...] | None:
    """The place that a cursor names; refused when it is none of ours."""
    if not cursor:
        return None
    kind: Any = GenericAlias(tuple, kinds)
    try:
        written = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place: tuple[Any, ...] = TypeAdapter(kind).validate_json(written)
    except ValueError as error:
        raise refuse(422, "this cursor is not one of ours", "Begin without one.", "cursor") from error
    return place


def cut(found: Sequence[Row], limit: int, *order: str) -> Piece:
    """A piece of rows of which one more than ``limit`` were asked for."""
    more = len(found) > limit
    return Piece(found[:limit], tuple(found[limit - 1][one] for one in order) if more else None)


def piece(
    connection: Connection, statement: str, asked: Asked, order: Mapping[str, Any], **given: Any
) -> Piece:
    """Rows of a statement by its filter; it goes on behind ``:after_…`` of each column of ``order``."""
    place = decode(asked.cursor, *order.values()) or (None,) * len(order)
    after = {f"after_{column}": value for column, value in zip(order, place, strict=True)}
    given = {**asked.model_dump(), **after, **given, "limit": asked.limit + 1}
    return cut(sql.rows(connection, statement, **given), asked.limit, *order)


def newest(
    connection: Connection,
    sources: Sequence[str],
    order: Sequence[str],
    others: Sequence[str],
    given: Mapping[str, Any],
    limit: int,
) -> Piece:
    """The newest rows of ``sources`` that meet ``others``, from at most `WINDOW` of them.

    An index gives each source, a SELECT without its end, in the order of the columns ``order``.
    """
    by = ", ".join(f"{column} desc" for column in order)
    columns = ", ".join(order)
    read = " union all ".join(f"({one} order by {by} limit :window)" for one in sources)
    window = WINDOW if others else limit + 1
    statement = text(f"""
select {columns}, fits, place = :window as is_end from (
    select {columns}, ({" and ".join(others) or "true"}) is true as fits,
           row_number() over (order by {by}) as place
      from ({read}) r order by {by} limit :window) seen
 where fits or place = :window order by {by} limit :most""")  # noqa: S608 - texts of the callers
    rows = sql.rows(connection, statement, **given, window=window, most=limit + 1)
    fitting = [row for row in rows if row["fits"]]
    found = cut(fitting, limit, *order)
    if found.after is None and others and rows and rows[-1]["is_end"]:
        return Piece(fitting, tuple(rows[-1][column] for column in order))
    return found


def upstreams(connection: Connection) -> list[Row]:
    """Every upstream with its windows, its queue and the outcomes of its calls in 24 hours."""
    found = sql.rows(connection, "upstreams.upstreams")
    for part in ("windows", "waiting", "outcomes"):
        listed = sql.rows(connection, f"upstreams.{part}")
        for one in found:
            one[part] = [row for row in listed if row["upstream"] == one["name"]]
    # One row at most says how its calls went.
    return [{**one, "outcomes": next(iter(one["outcomes"]), None)} for one in found]


class Search(Asked):
    """Rows that contain a text."""

    q: str | None = Field(default=None, max_length=200)


class MatchFilter(Search):
    """Which matches."""

    rule: str | None = None
    since: Moment | None = None


class NoticeFilter(Asked):
    """Which notices."""

    state: str | None = Field(
        default=None, description="A state; open: not sent yet; held: those that the strip counts"
    )
    channel: str | None = None
    match: Number | None = Field(default=None, description="Of this match alone")


class CallFilter(Asked):
    """Which calls of upstreams."""

    upstream: str | None = None
    outcome: str | None = Field(default=None, description=", ".join(OUTCOMES))
    run: UUID | None = None
    since: Moment | None = None


class BatchFilter(Asked):
    """Which batches: of one run, or those that have not ended."""

    run: UUID | None = None
    queue: str | None = None
    state: str | None = Field(default=None, description=", ".join(BATCH_STATES))
    worker: str | None = None
    upstream: str | None = Field(default=None, description="That they wait for")


def matches(connection: Connection, asked: MatchFilter) -> Piece:
    return piece(connection, "notices.matches", asked, BY_NUMBER, q=containing(asked.q))


def notices(connection: Connection, asked: NoticeFilter, statement: str = "notices.outbox") -> Piece:
    states = ["waiting", "sending"] if asked.state in {"open", "held"} else [asked.state]
    chosen = {"states": states if asked.state else None, "held": asked.state == "held"}
    return piece(connection, statement, asked, BY_NUMBER, **chosen)


def calls(connection: Connection, asked: CallFilter) -> Piece:
    """Calls of upstreams, the newest first; those of the last day unless it says otherwise."""
    if not (asked.run or asked.since):
        asked = asked.model_copy(update={"since": sql.scalar(connection, "upstreams.a_day_ago")})
    return piece(connection, "upstreams.calls", asked, {"stamp": datetime, "id": Number})


def batches(connection: Connection, asked: BatchFilter) -> Piece:
    return piece(connection, "runs.all_batches", asked, {"run_id": UUID, "seq": Number})


def found_by(connection: Connection, watch: Watch, asked: Search) -> Piece:
    after = decode(asked.cursor, int if watch.has_number_key else str) or (None,)
    last = None if after[0] is None else str(after[0])
    return cut(
        found.listed(connection, watch, asked.q or "", last, asked.limit + 1), asked.limit, "key"
    )


class ChangeFilter(Asked):
    """Which changes; None: any."""

    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: Moment | None = None
    operation: UUID | None = None


def changes(connection: Connection, asked: ChangeFilter) -> Piece:
    given = asked.model_dump()
    others = {one: f"{is_} = :{one}" for one, is_ in _CHANGE_COLUMNS.items() if given[one] is not None}
    # An index finds those of an operation, and those of a row.
    by_row = ("table", "name") if asked.table and asked.name else ()
    bounds = [others.pop(one) for one in (("operation",) if asked.operation else by_row)]
    if asked.since:
        bounds.append(_SINCE)
    if (before := decode(asked.cursor, Number)) is not None:
        bounds.append("id < :before")
        given["before"] = before[0]
    read = f"select * from change where {' and '.join(bounds) or 'true'}"  # noqa: S608 - texts from above
    found = newest(connection, [read], ("id",), list(others.values()), given, asked.limit)
    return Piece(
        sql.rows(connection, "changes.rows", ids=[one["id"] for one in found.rows]), found.after
    )
