"""Runs and batches that are made: runs of schedules and requests, calls by hand, held runs, splits."""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import structlog
from psycopg.types.json import Jsonb

from workers.db import Driver, array, execute
from workers.ledger.in_flight import ROOM
from workers.ledger.sent import CALL, LOOKED_FOR_AFTER, Message, after

log = structlog.stdlib.get_logger("beat.claim")


@dataclass(slots=True)
class NewRun:
    """A row of `run` to be; what is not here is copied from the schedule when it is written."""

    schedule: str
    due_at: datetime
    state: str
    trigger: str = "schedule"
    reason: str | None = None
    covers_from: datetime | None = None
    covers_count: int = 1
    #: JSON text laid over the schedule's options; for a retry: the options themselves.
    options: str | None = None
    exclusive: bool = True
    #: When its ``expires`` begins, if not at its due time.
    startable_at: datetime | None = None
    requested_by: str | None = None
    retry_of: uuid.UUID | None = None
    #: Given by a request, which has it before its run exists.
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or str(uuid.uuid4())


_COLUMNS = tuple(field.name for field in fields(NewRun))

#: Whether the task of run ``r`` is a plain Celery task, and what its first message then says.
IS_PLAIN = "exists (select from task_kind k where k.name = r.task and k.plain)"
FIRST_CALL = f"case when {IS_PLAIN} then {CALL.replace('b.retries', '0')} end"
#: A doorbell announces a kind; the message of a plain task leaves after the commit, and is looked for.
FIRST_SENDS = f"{IS_PLAIN}::int"
FIRST_SEND = f"case when {IS_PLAIN} then %(now)s + {LOOKED_FOR_AFTER} else %(now)s end"

INSERT_RUNS = f"""
with given as (
    select * from unnest(
        %(id)s::uuid[], %(schedule)s::text[], %(trigger)s::text[], %(due_at)s::timestamptz[],
        %(covers_from)s::timestamptz[], %(covers_count)s::int[], %(state)s::text[],
        %(reason)s::text[], %(options)s::text[], %(exclusive)s::boolean[],
        %(startable_at)s::timestamptz[], %(requested_by)s::text[], %(retry_of)s::uuid[])
      as g(id, schedule, trigger, due_at, covers_from, covers_count, state, reason, options,
           exclusive, startable_at, requested_by, retry_of)
), inserted as (
    insert into run (id, schedule, task, options, trigger, due_at, covers_from, covers_count, state,
                     reason, exclusive, queue, priority, max_attempts, timeout, expires_at,
                     batch_size, batch_delay, max_in_flight, requested_by, retry_of, batch_count,
                     open_batches, created_at, finished_at, counted)
    select g.id, s.name, s.task,
           case when g.options is null then s.options
                when g.retry_of is null then s.options || g.options::jsonb
                else g.options::jsonb end,
           g.trigger, g.due_at, g.covers_from, g.covers_count, g.state, g.reason, g.exclusive,
           coalesce(s.queue, k.queue), s.priority, coalesce(s.max_attempts, k.max_attempts),
           coalesce(s.timeout, k.timeout),
           case when g.trigger <> 'backfill' then coalesce(g.startable_at, g.due_at) + s.expires end,
           s.batch_size, s.batch_delay, s.max_in_flight, g.requested_by, g.retry_of,
           case when g.state in ('due', 'held') then 1 else 0 end,
           case when g.state in ('due', 'held') then 1 else 0 end,
           %(now)s, case when g.state in ('skipped', 'missed', 'expired') then %(now)s end,
           g.state in ('skipped', 'missed')
      from given g
      join schedule s on s.name = g.schedule
      join task_kind k on k.name = s.task
    on conflict do nothing
    returning id, schedule, task, options, queue, priority, timeout, state
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, state, sends, send_at, plain)
    select id, 0, task, queue, priority, 'sent', {FIRST_SENDS}, {FIRST_SEND}, {IS_PLAIN}
      from inserted r where state = 'due'
)
select id::text, 0, 0, task, queue, priority, schedule, {FIRST_CALL}, state from inserted r
"""  # noqa: S608 - constants of our own


def insert_runs(connection: Driver, runs: list[NewRun], now: datetime) -> list[Message]:
    """Write the runs, with a first batch for those that start; returns what is to be sent.

    A due time that has its row already is left as it is.
    """
    if not runs:
        return []
    columns: dict[str, Any] = {name: array([getattr(run, name) for run in runs]) for name in _COLUMNS}
    rows = connection.execute(INSERT_RUNS, {**columns, "now": now, **after()}).fetchall()
    if len(rows) < len(runs):
        written = {row[0] for row in rows}
        left = sorted({run.schedule for run in runs if run.id not in written})
        log.warning("run.existed", schedules=left[:10], runs=len(runs) - len(rows))
    return [Message(*row[:8]) for row in rows if row[8] == "due"]


#: One run of each schedule that is locked and still may start one.
RELEASE_HELD = f"""
with first as materialized (
    select distinct on (r.schedule) r.id, r.exclusive, r.schedule, r.task, k.max_running
      from run r join task_kind k on k.name = r.task
     where r.schedule = any(%(names)s) and r.state = 'held'
     order by r.schedule, r.trigger = 'backfill', r.created_at, r.due_at
), numbered as (
    select id, exclusive, schedule, max_running,
           row_number() over (partition by task order by schedule)
           + (select count(*) from run where task = first.task and state in ('due', 'running')) as place
      from first
     where not (exclusive and exists (select from run where schedule = first.schedule
                                          and state in ('due', 'running')))
), released as (
    update run set state = 'due', reason = null from numbered
     where run.id = numbered.id and run.state = 'held'
       and (max_running is null or place <= max_running)
    returning run.id, run.task, run.options, run.queue, run.priority, run.timeout, run.schedule
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, state, sends, send_at, plain)
    select id, 0, task, queue, priority, 'sent', {FIRST_SENDS}, {FIRST_SEND}, {IS_PLAIN} from released r
    on conflict do nothing
)
select id::text, 0, 0, task, queue, priority, schedule, {FIRST_CALL} from released r
"""  # noqa: S608


def release_held(connection: Driver, names: list[str], now: datetime) -> list[Message]:
    what = {"names": names, "now": now, **after()}
    return [Message(*row) for row in connection.execute(RELEASE_HELD, what)]


CREATE_BY_HAND = """
with created as (
    insert into run (id, task, options, trigger, due_at, state, queue, priority, max_attempts,
                     timeout, batch_count, open_batches, requested_by)
    values (%(run_id)s, %(task)s, %(options)s, 'manual', clock_timestamp(), 'due', %(queue)s, 5,
            %(max_attempts)s, %(timeout)s, 1, 1, %(requested_by)s)
    on conflict do nothing
    returning id, task, queue
)
insert into batch (run_id, seq, task, queue, send_at)
select id, 0, task, queue, clock_timestamp() + interval '1 minute' from created
"""


def create_by_hand(
    connection: Driver, run_id: uuid.UUID, task: Any, options: dict[str, Any], requested_by: str
) -> None:
    """Give a hand-made call of ``task`` its row; a second copy of the same message changes nothing."""
    row = {
        "run_id": run_id,
        "task": task.name,
        "options": Jsonb(options),
        "queue": task.default_queue,
        "max_attempts": task.max_attempts,
        "timeout": task.timeout,
        "requested_by": requested_by,
    }
    execute(connection, CREATE_BY_HAND, row)


SPLIT = f"""
with room as materialized (select r.id, {ROOM} as number from run r where r.id = %(run_id)s)
insert into batch (run_id, seq, task, queue, priority, items, total, not_before, send_at)
select r.id, seq, r.task, r.queue, r.priority, planned.items, jsonb_array_length(planned.items),
       case when seq > 1 and %(delay)s > interval '0'
            then clock_timestamp() + (seq - 1) * %(delay)s::interval end,
       case when seq <= coalesce(room.number, seq)
            then clock_timestamp() + (seq - 1) * %(delay)s::interval end
  from room join run r using (id),
       jsonb_array_elements(%(batches)s) with ordinality as planned(items, seq)
"""  # noqa: S608

ADD_BATCHES = """
update run set batch_count = batch_count + %s, open_batches = open_batches + %s, total = total + %s
 where id = %s
"""


def split(
    connection: Driver, run_id: uuid.UUID, batches: list[list[dict[str, Any]]], delay: timedelta
) -> None:
    """Split the run into ``batches``, the second ``delay`` after the first and so on.

    The caller has locked the run and checked the fence.
    """
    what = {"run_id": run_id, "delay": delay, "batches": Jsonb(batches)}
    execute(connection, SPLIT, what)
    add_batches(connection, run_id, len(batches), sum(map(len, batches)))
    connection.execute("notify watchkeeper, 'batch'")


def add_batches(connection: Driver, run_id: uuid.UUID, batches: int, items: int) -> None:
    execute(connection, ADD_BATCHES, (batches, batches, items, run_id))
