"""Lists, a page at a time by keyset: each is what may be asked of it, and how that is read."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import GenericAlias
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, model_validator
from sqlalchemy import Connection, text

from console import sql
from console.refusals import refuse, require_known
from console.sql import Row
from tasks.watches import found
from tasks.watches.comparing import containing
from tasks.watches.watch import Watch
from workers.ledger.states import BATCH_ENDED

#: Rows that one page looks at, at most; the next page goes on from there.
WINDOW = 20_000
#: A number that a column of numbered rows can hold.
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
#: A time of an address: in UTC unless it says otherwise.
Moment = Annotated[
    datetime, AfterValidator(lambda at: at if at.tzinfo is not None else at.replace(tzinfo=UTC))
]
_CHANGES = sql.parts("change_filters.sql")


class Piece(NamedTuple):
    """Rows that pass, and the place from which the next page goes on (None: there is none)."""

    rows: Sequence[Row]
    after: tuple[Any, ...] | None

    @property
    def next(self) -> str | None:
        return encode(*self.after) if self.after else None

    @property
    def total(self) -> str:
        return f"{len(self.rows):,}{'+' if self.after else ''}"


class Asked(BaseModel):
    """Which rows of a list, by the page's address or the API's; an empty text stands for none."""

    #: The statement that reads them, on from ``:after_…`` of each column of their order.
    statement: ClassVar[str]
    #: Filters that are one of a few words → those.
    words: ClassVar[Mapping[str, Sequence[str]]] = {}
    #: Columns of the order → kinds of a place in it.
    order: ClassVar[Mapping[str, Any]] = {"id": Number}

    limit: int = Field(default=50, ge=1, le=100, description="Rows of a page")
    cursor: str | None = Field(default=None, description="`next` of the page before", max_length=2000)
    count: bool = Field(default=False, description="Say how many there are, counted up to 1,000")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""}

    @property
    def given(self) -> dict[str, Any]:
        """The filters as an address says them."""
        chosen = self.model_dump(mode="json", exclude={"limit", "cursor", "count"})
        return {name: "" if value is None else value for name, value in chosen.items()}

    def require_words(self) -> None:
        for name, known in self.words.items():
            require_known(name, getattr(self, name), *known)

    @property
    def place(self) -> tuple[Any, ...] | None:
        """Where the page before ended."""
        return decode(self.cursor, *self.order.values())

    def read(self, connection: Connection, **given: Any) -> Piece:
        """A page; ``given``: what the statement binds besides the fields."""
        self.require_words()
        place = self.place or (None,) * len(self.order)
        after = {f"after_{column}": value for column, value in zip(self.order, place, strict=True)}
        bound = {**self.model_dump(), **after, **given, "limit": self.limit + 1}
        return cut(sql.rows(connection, self.statement, **bound), self.limit, *self.order)


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


def newest(
    connection: Connection, asked: Asked, sources: Sequence[str], others: Sequence[str], **given: Any
) -> Piece:
    """The newest rows of ``sources`` that meet ``others``, from at most `WINDOW` of them.

    An index gives each source, a SELECT without its end, in the list's order; the list's statement
    reads the rows that were found.
    """
    order, limit = list(asked.order), asked.limit
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
    bound = {**asked.model_dump(), **given, "window": window, "most": limit + 1}
    rows = sql.rows(connection, statement, **bound)
    found, after = cut([row for row in rows if row["fits"]], limit, *order)
    if after is None and others and rows and rows[-1]["is_end"]:
        after = tuple(rows[-1][column] for column in order)
    return Piece(sql.rows(connection, asked.statement, ids=[row["id"] for row in found]), after)


def upstreams(connection: Connection) -> list[Row]:
    """Every upstream with its windows, its queue and the outcomes of its calls in 24 hours."""
    found = sql.rows(connection, "upstreams.upstreams")
    for part in ("windows", "waiting", "outcomes"):
        listed = sql.rows(connection, f"upstreams.{part}")
        for one in found:
            one[part] = [row for row in listed if row["upstream"] == one["name"]]
    # One row at most says how its calls went.
    return [{**one, "outcomes": next(iter(one["outcomes"]), None)} for one in found]


class Shown(Asked):
    """What a page of statements alone may be asked for."""

    severity: str | None = None
    role: str | None = None
    state: str | None = None
    group: str | None = None


class Search(Asked):
    """Rows that contain a text."""

    q: str | None = Field(default=None, max_length=200)

    def read(self, connection: Connection, **given: Any) -> Piece:
        return super().read(connection, q=containing(self.q), **given)


def found_by(connection: Connection, watch: Watch, asked: Search) -> Piece:
    after = decode(asked.cursor, int if watch.has_number_key else str) or (None,)
    last = None if after[0] is None else str(after[0])
    listed = found.listed(connection, watch, asked.q or "", last, asked.limit + 1)
    return cut(listed, asked.limit, "key")


class Matches(Search):
    """Matches of rules, the newest first."""

    statement = "notices.matches"

    rule: str | None = None
    since: Moment | None = None


class Notices(Asked):
    """Notices, the newest first."""

    statement = "overview.notices"
    states: ClassVar = ("open", "waiting", "sending", "sent", "dropped", "dead")
    words = {"state": (*states, "held")}

    state: str | None = Field(
        default=None, description="A state; open: not sent yet; held: those that the strip counts"
    )
    channel: str | None = None
    match: Number | None = Field(default=None, description="Of this match alone")


class Outbox(Notices):
    """Notices with the reason why each waits."""

    statement = "notices.outbox"


class Calls(Asked):
    """Calls of upstreams, the newest first."""

    statement = "upstreams.calls"
    order = {"stamp": datetime, "id": Number}
    #: What became of a call; failed is any of them but answered.
    outcomes: ClassVar = "in flight, answered, failed, refused, broken, others, unanswered"
    words = {"outcome": outcomes.split(", ")}

    upstream: str | None = None
    outcome: str | None = Field(default=None, description=outcomes)
    run: UUID | None = None
    since: Moment | None = None
    until: Moment | None = None

    def read(self, connection: Connection, **given: Any) -> Piece:
        """Those of the last day unless it says otherwise."""
        if not (self.run or self.since):
            given["since"] = sql.scalar(connection, "upstreams.a_day_ago")
        return super().read(connection, **given)


class Batches(Asked):
    """Batches of a run, or all that have not ended."""

    statement = "runs.all_batches"
    order = {"run_id": UUID, "seq": Number}
    words = {"state": ("ready", "running", "waiting_for_quota", "later", *BATCH_ENDED)}

    run: UUID | None = None
    queue: str | None = None
    state: str | None = Field(default=None, description="ready, running, waiting_for_quota, later")
    worker: str | None = None
    upstream: str | None = Field(default=None, description="That they wait for")


class Changes(Asked):
    """Who changed what, the newest first."""

    statement = "changes.rows"

    id: Number | None = None
    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: Moment | None = None
    operation: UUID | None = None

    def read(self, connection: Connection, **given: Any) -> Piece:
        others = {name: condition for name, condition in _CHANGES.items() if getattr(self, name)}
        # An index finds one, those of an operation, and those of a row.
        by_row = ("table", "name") if self.table and self.name else ()
        indexed = ("id",) if self.id else ("operation",) if self.operation else by_row
        bounds = [others.pop(one) for one in (*indexed, "since") if one in others]
        if self.place:
            bounds.append("id < :before")
            given["before"] = self.place[0]
        read = f"select * from change where {' and '.join(bounds) or 'true'}"  # noqa: S608 - texts from above
        return newest(connection, self, [read], list(others.values()), **given)


class Edits(Changes):
    """Changes as pages show them."""

    statement = "changes.shown"


#: Name of a list in addresses, on pages and in the API → what may be asked of it.
LISTS: dict[str, type[Asked]] = {
    one.__name__.lower(): one for one in (Calls, Batches, Changes, Notices, Outbox, Matches)
}
