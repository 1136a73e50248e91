"""Schedules: lists by filter and order, one page at a time by keyset, and everything about one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from workers.settings import DEFAULT_QUEUE

#: Queue of the kinds of upkeep, which pages fold.
UPKEEP = DEFAULT_QUEUE
STATES = ("problem", "running", "paused", "disabled", "on")
#: What nobody counts further than to.
MAX_COUNTED = 1000

_PROBLEM = """s.name in (
select schedule from schedule_state where error is not null
union select schedule from schedule_state where consecutive_failures > 0
union select schedule from schedule_state where tripped_at is not null
union select schedule from schedule_state where claim_at < clock_timestamp() - interval '1 minute'
union select schedule from schedule_edit e
       where not exists (select from schedule_state st where st.schedule = e.schedule))"""
_STATE = {
    "problem": _PROBLEM,
    "running": "s.name in (select schedule from run where state in ('due', 'running', 'held'))",
    "paused": "s.paused_until > clock_timestamp()",
    "disabled": "not s.enabled",
    "on": "s.enabled and coalesce(s.paused_until <= clock_timestamp(), true)",
}
#: As the expression of the index says it.
SEARCHED = "lower((((s.name || ' ') || coalesce(s.title, '')) || ' ') || coalesce(s.note, ''))"


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
        given: dict[str, Any] = {}
        if self.q and self.q.strip():
            found.append(f"{SEARCHED} like :q")
            given["q"] = pattern(self.q.strip().lower())
        if self.state in _STATE:
            found.append(_STATE[self.state])
        if self.task:
            found.append("s.task = :task")
            given["task"] = self.task
        if self.queue:
            found.append(
                "coalesce(s.queue, (select k.queue from task_kind k where k.name = s.task)) = :queue"
            )
            given["queue"] = self.queue
        if self.upkeep is not None:
            is_not = "" if self.upkeep else "not "
            found.append(f"s.task {is_not}in (select name from task_kind where queue = :upkeep)")  # noqa: S608 - a constant
            # Kinds of the system itself, which pages fold.
            given["upkeep"] = UPKEEP
        return found, given


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

Place = tuple[Any, ...]


def pattern(part: str) -> str:
    """A LIKE pattern for "contains"."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def page(
    connection: Connection,
    chosen: Filter,
    sort: str = NEED,
    limit: int = 50,
    after: Place | None = None,
) -> tuple[list[RowMapping], Place | None]:
    """Rows of a page, and the place after which the next one begins (None: it was the last)."""
    found = _names(connection, chosen, sort, limit + 1, after)
    last = found[limit - 1] if len(found) > limit else None
    rows = {row["name"]: row for row in rows_of(connection, [place[-1] for place in found[:limit]])}
    listed = [rows[place[-1]] for place in found[:limit] if place[-1] in rows]
    return listed, last


def names(connection: Connection, chosen: Filter, limit: int = 100_000) -> list[str]:
    """Names of all that pass, for what is done to many at once."""
    conditions, given = chosen.conditions()
    where = " and ".join(conditions) or "true"
    statement = f"select s.name from schedule s where {where} order by s.name limit :limit"  # noqa: S608
    return list(connection.execute(text(statement), {**given, "limit": limit}).scalars())


def count(connection: Connection, chosen: Filter) -> int:
    """How many pass; `MAX_COUNTED` + 1 stands for more."""
    return len(names(connection, chosen, MAX_COUNTED + 1))


@dataclass(frozen=True)
class _Asked:
    """Part of a page: of one segment, from after a place in it."""

    chosen: Filter
    number: int
    limit: int
    after: Place | None


_Segment = Callable[[Connection, _Asked], list[Place]]


def _names(
    connection: Connection, chosen: Filter, sort: str, limit: int, after: Place | None
) -> list[Place]:
    """(segment, value, name) in order: segments are read one after the other until there are enough."""
    found: list[Place] = []
    first = after[0] if after is not None else 0
    for number, segment in enumerate(_segments(sort)):
        if number < first:
            continue
        begins = after if after is not None and number == first else None
        found += segment(connection, _Asked(chosen, number, limit - len(found), begins))
        if len(found) >= limit:
            break
    return found


def _segments(sort: str) -> list[_Segment]:
    if sort == NEED:
        calm = f"not ({_STATE['problem']})"
        return [
            partial(_read, order=ORDERS["name"], extra=[_STATE["problem"]]),
            partial(_read, order=ORDERS["next"], extra=[calm, "st.next_run_at is not null"]),
            partial(_read, order=ORDERS["next"], extra=[calm, "st.next_run_at is null"]),
        ]
    order, backwards = ORDERS[sort.removeprefix("-")], sort.startswith("-")
    if order.column == "s.name":
        return [partial(_read, order=order, extra=[], backwards=backwards)]
    parts = [
        partial(_read, order=order, extra=[f"{order.column} is {nulls}"], backwards=backwards)
        for nulls in ("not null", "null")
    ]
    return [*reversed(parts)] if backwards else [*parts]


def _read(
    connection: Connection,
    asked: _Asked,
    *,
    order: Order,
    extra: Sequence[str],
    backwards: bool = False,
) -> list[Place]:
    conditions, given = asked.chosen.conditions()
    conditions += extra
    is_name = order.column == "s.name"
    name = "s.name" if is_name else "st.schedule"
    if asked.after is not None:
        conditions.append(_after(order, name, asked.after, backwards=backwards))
        given |= {"value": asked.after[1], "name": asked.after[2]}
    by = f"{name} {'desc' if backwards else 'asc'}"
    if not is_name:
        falls, nulls = order.descending != backwards, "first" if backwards else "last"
        by = f"{order.column} {'desc' if falls else 'asc'} nulls {nulls}, {by}"
    tables = (
        "schedule s left join schedule_state st on st.schedule = s.name"
        if is_name
        else "schedule_state st join schedule s on s.name = st.schedule"
    )
    statement = (
        f"select cast({order.column} as text) as value, s.name from {tables}"  # noqa: S608 - texts from above
        f" where {' and '.join(conditions) or 'true'} order by {by} limit :limit"
    )
    rows = connection.execute(text(statement), {**given, "limit": asked.limit})
    return [(asked.number, row.value, row.name) for row in rows]


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


_ROWS = text("""
select s.name, s.title, s.task, schedule_words(s) as runs, s.enabled, s.every, s.cron, s.at, s.after,
       s.timezone, s.paused_until, s.pause_reason, s.note, s.revision, s.updated_at, s.updated_by,
       s.options, coalesce(s.queue, k.queue) as queue, k.queue = :upkeep as is_upkeep,
       case when st.error is not null then 'set aside: ' || st.error
            when not s.enabled then 'disabled'
            when switch.paused then 'paused (all)'
            when s.paused_until = 'infinity' then 'paused'
            when s.paused_until > clock_timestamp() then 'paused until '
                || to_char(s.paused_until at time zone s.timezone, 'MM-DD HH24:MI') || ' ' || s.timezone
            when st.tripped_at is not null then 'paused itself: ' || st.tripped_reason
            when st.claim_at < clock_timestamp() - interval '1 minute'
                then 'LATE by ' || duration_words(date_trunc('second', clock_timestamp() - st.claim_at))
            else 'on' end as state,
       st.planned_revision is not distinct from s.revision as seen_by_beat,
       st.last_run_id, st.last_run_at, st.last_state, st.last_summary, st.success_share,
       st.partial_share, st.median_duration, st.consecutive_failures, st.tripped_at, st.error,
       case when s.enabled then st.next_run_at end as next_run_at, active.id as active_run_id,
       active.state as active_state, active.id is not null as is_running
  from unnest(cast(:names as text[])) as wanted(name)
  join schedule s on s.name = wanted.name
  cross join pause_switch switch
  left join task_kind k on k.name = s.task
  left join schedule_state st on st.schedule = s.name
  left join lateral (select r.id, r.state from run r
                      where r.schedule = s.name and r.state in ('due', 'running', 'held')
                      order by r.created_at desc limit 1) active on true
""")
_NEXT = text("select * from next_runs(:name, :number)")


def rows_of(connection: Connection, wanted: Sequence[str]) -> Sequence[RowMapping]:
    """What a list shows of these schedules, in no order."""
    return connection.execute(_ROWS, {"names": list(wanted), "upkeep": UPKEEP}).mappings().all()


def one(connection: Connection, name: str) -> RowMapping | None:
    found = rows_of(connection, [name])
    return found[0] if found else None


def next_runs(connection: Connection, name: str, number: int = 5) -> Sequence[RowMapping]:
    return connection.execute(_NEXT, {"name": name, "number": number}).mappings().all()
