"""Schedules: lists by filter and order, one page at a time by keyset, and everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, text

from console.queries.lists import like
from console.refusals import refuse
from console.sql import statement
from workers.settings import DEFAULT_QUEUE

#: Queue of the kinds of upkeep, which pages fold.
UPKEEP = DEFAULT_QUEUE
#: What nobody counts further than to.
MAX_COUNTED = 1000
#: Words of the filter → their condition.
STATES = {
    "problem": "(st.error is not null or st.consecutive_failures > 0 or st.tripped_at is not null"
    " or st.claim_at < now() - interval '1 minute' or st.schedule is null)",
    "running": "s.name in (select schedule from run where state in ('due', 'running', 'held'))",
    "paused": "s.paused_until > now()",
    "disabled": "not s.enabled",
    "on": "s.enabled and coalesce(s.paused_until <= now(), true)",
}
#: As the expression of the index of trigrams says it; shorter terms have none.
_SEARCHED = "lower((((s.name || ' ') || coalesce(s.title, '')) || ' ') || coalesce(s.note, '')) like :q"
_SHORT = "(s.name like :q or lower(s.title) like :q or lower(s.note) like :q)"
_TABLES = "schedule s left join schedule_state st on st.schedule = s.name"
_UPKEEP_KINDS = "(select name from task_kind where queue = :upkeep)"

_PROBLEMS = statement("schedules", "problems")
_ROWS = statement("schedules", "rows")
_NEXT = statement("schedules", "next_runs")
_FOLDED = statement("schedules", "upkeep")


@dataclass(frozen=True)
class Filter:
    """Which schedules; None: any."""

    q: str | None = None
    state: str | None = None
    task: str | None = None
    queue: str | None = None
    #: False leaves upkeep out, True shows it alone.
    upkeep: bool | None = None

    def conditions(self) -> tuple[list[str], dict[str, Any]]:
        found: list[str] = []
        given = {"task": self.task, "queue": self.queue, "upkeep": UPKEEP}
        term = (self.q or "").strip().lower()
        if term:
            found.append(_SEARCHED if len(term) > 2 else _SHORT)
            given["q"] = like(term)
        if self.state in STATES:
            found.append(STATES[self.state])
        if self.task:
            found.append("s.task = :task")
        if self.queue:
            found.append(
                "(s.queue = :queue or s.queue is null"
                " and s.task in (select name from task_kind where queue = :queue))"
            )
        if self.upkeep is not None:
            found.append(f"s.task {'' if self.upkeep else 'not '}in {_UPKEEP_KINDS}")
        return found, given


@dataclass(frozen=True)
class Chosen:
    """What passes a filter: all of it by name where it is not much, else the conditions."""

    filter: Filter
    count: int
    conditions: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """One index, read forwards or backwards."""

    column: str
    kind: str
    descending: bool = False


ORDERS = {
    "name": Order("s.name", "text"),
    "next": Order("st.next_run_at", "timestamptz"),
    "last": Order("st.last_run_at", "timestamptz", descending=True),
    "result": Order("st.last_state", "text"),
    "success": Order("st.success_share", "real"),
    "duration": Order("st.median_duration", "interval", descending=True),
}
#: The order of need: problems, then what runs next.
NEED = "need"
SORTS = (NEED, *ORDERS, *(f"-{name}" for name in ORDERS))

#: Number of a segment, value and name of the last row of a page.
Place = tuple[Any, ...]


class Segment(NamedTuple):
    """A part of a list with an order of its own."""

    order: Order
    conditions: Sequence[str] = ()
    backwards: bool = False


def choose(connection: Connection, chosen: Filter) -> Chosen:
    """Look whether more than `MAX_COUNTED` pass."""
    conditions, given = chosen.conditions()
    if chosen.state == "problem" and len(troubled := problems(connection)) <= MAX_COUNTED:
        conditions[conditions.index(STATES["problem"])] = "s.name = any(:problems)"
        given["problems"] = troubled
    found = _matching(connection, conditions, given, "limit :limit", MAX_COUNTED + 1)
    if len(found) > MAX_COUNTED:
        return Chosen(chosen, len(found), conditions, given)
    return Chosen(chosen, len(found), ["s.name = any(:chosen)"], {"chosen": found})


def names(connection: Connection, chosen: Filter, limit: int = 100_000) -> list[str]:
    """Names of all that pass, for what is done to many at once."""
    return _matching(connection, *chosen.conditions(), "order by s.name limit :limit", limit)


def _matching(
    connection: Connection, conditions: Sequence[str], given: dict[str, Any], end: str, limit: int
) -> list[str]:
    where = " and ".join(conditions) or "true"
    asked = text(f"select s.name from {_TABLES} where {where} {end}")  # noqa: S608 - texts from above
    return list(connection.execute(asked, {**given, "limit": limit}).scalars())


def problems(connection: Connection) -> list[str]:
    """Names of those with problems, `MAX_COUNTED` + 1 at most."""
    return list(connection.execute(_PROBLEMS, {"most": MAX_COUNTED + 1}).scalars())


def folded(connection: Connection) -> RowMapping:
    """How many schedules of upkeep there are, and how many of them have problems."""
    return connection.execute(_FOLDED, {"queue": UPKEEP, "most": MAX_COUNTED + 1}).mappings().one()


def page(
    connection: Connection,
    chosen: Filter | Chosen,
    sort: str = NEED,
    limit: int = 50,
    after: Place | None = None,
) -> tuple[list[RowMapping], Place | None]:
    """Rows of a page, and the place after which the next one begins (None: it was the last)."""
    known = choose(connection, chosen) if isinstance(chosen, Filter) else chosen
    found: list[Place] = []
    given = dict(known.given)
    segments = _segments(connection, known, sort, given)
    first = after[0] if after is not None else 0
    if not isinstance(first, int):
        raise refuse(422, "this cursor is not one of ours", "Begin without one.", "cursor")
    for number, segment in list(enumerate(segments))[first:]:
        begins = after if number == first else None
        conditions = [*known.conditions, *segment.conditions]
        rows = _read(
            connection, segment, conditions, begins, {**given, "limit": limit + 1 - len(found)}
        )
        found += [(number, row.value, row.name) for row in rows]
        if len(found) > limit:
            break
    rows_by_name = {row["name"]: row for row in rows_of(connection, [one[-1] for one in found[:limit]])}
    listed = [rows_by_name[one[-1]] for one in found[:limit] if one[-1] in rows_by_name]
    return listed, found[limit - 1] if len(found) > limit else None


def _segments(
    connection: Connection, chosen: Chosen, sort: str, given: dict[str, Any]
) -> list[Segment]:
    """The parts of a list, which are read one after the other until there are enough."""
    if sort == NEED:
        return _by_need(connection, chosen, given)
    order, backwards = ORDERS[sort.removeprefix("-")], sort.startswith("-")
    if order.column == "s.name":
        return [Segment(order, (), backwards)]
    parts = [Segment(order, (f"{order.column} is {one}",), backwards) for one in ("not null", "null")]
    return parts[::-1] if backwards else parts


def _by_need(connection: Connection, chosen: Chosen, given: dict[str, Any]) -> list[Segment]:
    by_name, by_next = ORDERS["name"], ORDERS["next"]
    if chosen.filter.state == "problem":
        return [Segment(by_name)]
    troubled = problems(connection)
    given["problems"] = troubled
    few = len(troubled) <= MAX_COUNTED
    wrong = "s.name = any(:problems)" if few else STATES["problem"]
    calm = "s.name <> all(:problems)" if few else f"not {STATES['problem']}"
    if chosen.filter.state == "disabled":
        return [Segment(by_name, (wrong,)), Segment(by_name, (calm,))]
    dated = [Segment(by_next, (calm, f"st.next_run_at is {one}")) for one in ("not null", "null")]
    return [Segment(by_name, (wrong,)), *dated]


def _read(
    connection: Connection,
    segment: Segment,
    conditions: list[str],
    after: Place | None,
    given: dict[str, Any],
) -> Sequence[Any]:
    order = segment.order
    name = "s.name" if order.column == "s.name" else "st.schedule"
    if after is not None:
        conditions.append(_after(order, name, after, backwards=segment.backwards))
        given |= {"value": after[1], "name": after[2]}
    by, tables = f"{name} {'desc' if segment.backwards else 'asc'}", _TABLES
    if order.column != "s.name":
        falls = order.descending != segment.backwards
        nulls = "first" if segment.backwards else "last"
        by = f"{order.column} {'desc' if falls else 'asc'} nulls {nulls}, {by}"
        tables = "schedule_state st join schedule s on s.name = st.schedule"
    asked = (
        f"select cast({order.column} as text) as value, s.name from {tables}"  # noqa: S608 - texts from above
        f" where {' and '.join(conditions) or 'true'} order by {by} limit :limit"
    )
    return connection.execute(text(asked), given).all()


def _after(order: Order, name: str, after: Place, *, backwards: bool) -> str:
    """The condition of what comes after a place, in the words that an index answers."""
    falls, names_fall = order.descending != backwards, backwards
    if after[1] is None or order.column == "s.name":
        return f"{name} {'<' if names_fall else '>'} :name"
    value = f"cast(:value as {order.kind})"
    if falls == names_fall:
        return f"({order.column}, {name}) {'<' if falls else '>'} ({value}, :name)"
    compared, step = ("<=", "<") if falls else (">=", ">")
    further = f"{name} {'<' if names_fall else '>'} :name"
    return f"{order.column} {compared} {value} and ({order.column} {step} {value} or {further})"


def rows_of(connection: Connection, wanted: Sequence[str]) -> Sequence[RowMapping]:
    """What a list shows of these schedules, in no order."""
    return connection.execute(_ROWS, {"names": list(wanted), "upkeep": UPKEEP}).mappings().all()


def one(connection: Connection, name: str) -> RowMapping | None:
    found = rows_of(connection, [name])
    return found[0] if found else None


def next_runs(connection: Connection, name: str, number: int = 5) -> Sequence[RowMapping]:
    return connection.execute(_NEXT, {"name": name, "number": number}).mappings().all()
