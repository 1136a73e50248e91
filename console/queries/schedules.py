"""Schedules: lists by filter and order, one page at a time by keyset, and everything about one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import Connection, text

from console import sql
from console.queries.lists import Asked, Number, Piece, decode
from console.refusals import require_known
from console.sql import Row
from tasks.watches.comparing import containing
from tasks.watches.registry import by_domain
from workers.settings import DEFAULT_QUEUE

#: Queue of the kinds of upkeep, which pages fold.
UPKEEP = DEFAULT_QUEUE
#: What nobody counts further than to, and so many are reached by one action.
MAX_COUNTED, MAX_AT_ONCE = 1000, 100_000
#: Words of the filter → their condition.
STATES, _FILTERS = sql.parts("schedule_states.sql"), sql.parts("schedule_filters.sql")
_JOINED = "s left join schedule_state st on st.schedule = s.name"
_TABLES = f"schedule {_JOINED}"


class Segment(NamedTuple):
    """A part of a list: what meets conditions, in the order of an index and then by name."""

    column: str
    kind: str = "text"
    #: The greatest value of the column comes first; the last name does.
    falls: bool = False
    backwards: bool = False
    conditions: Sequence[str] = ()


ORDERS = {
    "name": Segment("s.name"),
    "next": Segment("st.next_run_at", "timestamptz"),
    "last": Segment("st.last_run_at", "timestamptz", falls=True),
    "result": Segment("st.last_state"),
    "success": Segment("st.success_share", "real"),
    "duration": Segment("st.median_duration", "interval", falls=True),
}
#: The order of need: problems, then what runs next.
NEED = "need"
SORTS = (NEED, *ORDERS, *(f"-{name}" for name in ORDERS))


class Which(BaseModel):
    """Which schedules; None: any."""

    q: str | None = Field(default=None, description="Part of name, title or note", max_length=200)
    state: str | None = Field(default=None, description=", ".join(STATES))
    task: str | None = None
    queue: str | None = None


class Filter(Which, Asked):
    """Which schedules, in which order."""

    upkeep: bool | None = Field(
        default=None, description="false leaves upkeep out, true shows it alone"
    )
    sort: str = Field(default=NEED, description=", ".join(SORTS))

    def conditions(self) -> tuple[list[str], dict[str, Any]]:
        require_known("state", self.state, *STATES)
        require_known("sort", self.sort, *SORTS)
        term = (self.q or "").strip().lower()
        filters = {
            "searched": len(term) > 2,
            "short": 0 < len(term) <= 2,
            "task": self.task,
            "queue": self.queue,
            "upkeep": self.upkeep is True,
            "no upkeep": self.upkeep is False,
        }
        applying = [STATES[self.state]] if self.state else []
        applying += [_FILTERS[name] for name, applies in filters.items() if applies]
        given = {"q": containing(term), "term": term, "task": self.task, "queue": self.queue}
        watching = [watch.queue for watch in by_domain().values()]
        return applying, {**given, "upkeep": UPKEEP, "watching": watching}


@dataclass(frozen=True)
class Chosen:
    """What passes a filter: all of it by name where it is not much, else the conditions."""

    filter: Filter
    count: int
    conditions: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)


def choose(connection: Connection, asked: Filter) -> Chosen:
    """Look whether more than `MAX_COUNTED` pass."""
    conditions, given = asked.conditions()
    if asked.state == "problem" and len(troubled := problems(connection)) <= MAX_COUNTED:
        conditions[conditions.index(STATES["problem"])] = "s.name = any(:problems)"
        given["problems"] = troubled
    array = _names(conditions, end := f"limit {MAX_COUNTED + 1}")
    if _FILTERS["short"] in conditions:
        # Of letters that many have a few rows hold enough; the index would name all rows first.
        first = _names(conditions, end, "(select * from schedule limit 4000)")
        rest = _names([*conditions, _FILTERS["of an index"]], end)
        few = f"cardinality(a) <= {MAX_COUNTED}"
        array = f"case when {few} then {rest} else a end from (select {first} a offset 0) first"
    found = list(sql.scalar(connection, text(f"select {array}"), **given))
    if len(found) > MAX_COUNTED:
        return Chosen(asked, len(found), conditions, given)
    return Chosen(asked, len(found), ["s.name = any(:chosen)"], {"chosen": found})


def names(connection: Connection, asked: Filter) -> list[str]:
    """Names of all that pass, for what is done to many at once."""
    conditions, given = asked.conditions()
    array = _names(conditions, f"order by s.name limit {MAX_AT_ONCE}")
    return list(sql.scalar(connection, text(f"select {array}"), **given))


def _names(conditions: Sequence[str], end: str, table: str = "schedule") -> str:
    """An array: to read ten thousand rows would take most of the time."""
    where = " and ".join(conditions) or "true"
    return f"array(select s.name from {table} {_JOINED} where {where} {end})"  # noqa: S608 - from above


def problems(connection: Connection) -> list[str]:
    """Names of those with problems, `MAX_COUNTED` + 1 at most."""
    return list(sql.scalar(connection, "schedules.problems", most=MAX_COUNTED + 1))


def page(connection: Connection, asked: Filter | Chosen) -> Piece:
    """Rows of a page: its segments are read one after the other until there are enough."""
    known = choose(connection, asked) if isinstance(asked, Filter) else asked
    limit, after = known.filter.limit, decode(known.filter.cursor, Number, str | None, str)
    begin = after[0] if after else 0
    found: list[tuple[Any, ...]] = []
    given = dict(known.given)
    segments = list(enumerate(_segments(connection, known, given) if known.count else ()))
    for number, segment in segments[begin:]:
        given["limit"] = limit + 1 - len(found)
        conditions = [*known.conditions, *segment.conditions]
        if after and number == begin:
            conditions.append(_after(segment, after[1]))
            given |= {"value": after[1], "name": after[2]}
        rows = sql.rows(connection, _read(segment, conditions), **given)
        found += [(number, row["value"], row["name"]) for row in rows]
        if len(found) > limit:
            break
    listed = rows_of(connection, [one[-1] for one in found[:limit]])
    return Piece(listed, found[limit - 1] if len(found) > limit else None)


def _segments(connection: Connection, chosen: Chosen, given: dict[str, Any]) -> list[Segment]:
    sort = chosen.filter.sort
    if sort == NEED:
        return _by_need(connection, chosen, given)
    order, backwards = ORDERS[sort.removeprefix("-")], sort.startswith("-")
    order = order._replace(backwards=backwards, falls=order.falls != backwards)
    if order.column == "s.name":
        return [order]
    parts = [order._replace(conditions=[f"{order.column} is {one}"]) for one in ("not null", "null")]
    return parts[::-1] if backwards else parts


def _by_need(connection: Connection, chosen: Chosen, given: dict[str, Any]) -> list[Segment]:
    by_name, by_next = ORDERS["name"], ORDERS["next"]
    if chosen.filter.state == "problem":
        return [by_name]
    given["problems"] = troubled = problems(connection)
    few = len(troubled) <= MAX_COUNTED
    wrong = by_name._replace(conditions=["s.name = any(:problems)" if few else STATES["problem"]])
    calm = "s.name <> all(:problems)" if few else f"not {STATES['problem']}"
    if chosen.filter.state == "disabled":
        return [wrong, by_name._replace(conditions=[calm])]
    parts = [[calm, f"st.next_run_at is {one}"] for one in ("not null", "null")]
    return [wrong, *(by_next._replace(conditions=part) for part in parts)]


def _read(segment: Segment, conditions: Sequence[str]) -> Any:
    column, names = segment.column, "desc" if segment.backwards else "asc"
    by, tables = f"s.name {names}", _TABLES
    if column != "s.name":
        falls, nulls = "desc" if segment.falls else "asc", "first" if segment.backwards else "last"
        by = f"{column} {falls} nulls {nulls}, st.schedule {names}"
        tables = "schedule_state st join schedule s on s.name = st.schedule"
    return text(
        f"select cast({column} as text) as value, s.name from {tables}"  # noqa: S608 - texts from above
        f" where {' and '.join(conditions) or 'true'} order by {by} limit :limit"
    )


def _after(segment: Segment, value: str | None) -> str:
    """The condition of what comes after a place, in the words that an index answers."""
    column, further = segment.column, "<" if segment.backwards else ">"
    if column == "s.name":
        return f"s.name {further} :name"
    if value is None:
        return f"st.schedule {further} :name"
    sign, cast = "<" if segment.falls else ">", f"cast(:value as {segment.kind})"
    if segment.falls == segment.backwards:
        return f"({column}, st.schedule) {sign} ({cast}, :name)"
    return f"{column} {sign}= {cast} and ({column} {sign} {cast} or st.schedule {further} :name)"


def rows_of(connection: Connection, wanted: Sequence[str]) -> list[Row]:
    return sql.rows(connection, "schedules.rows", names=list(wanted), upkeep=UPKEEP)


def one(connection: Connection, name: str) -> Row | None:
    return next(iter(rows_of(connection, [name])), None)
