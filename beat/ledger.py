"""Rows of `run` and their first batch, as beat writes them: many with one statement."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

#: Between the commit of a batch and the mark that it was sent, other beats leave it alone.
RESERVED = "interval '5 seconds'"

INSERT = f"""
with given as (
    select * from unnest(
        %(id)s::uuid[], %(schedule)s::text[], %(task)s::text[], %(options)s::text[],
        %(trigger)s::text[], %(due_at)s::timestamptz[], %(covers_from)s::timestamptz[],
        %(covers_count)s::int[], %(state)s::text[], %(reason)s::text[], %(exclusive)s::boolean[],
        %(queue)s::text[], %(priority)s::int[], %(max_attempts)s::int[], %(timeout)s::interval[],
        %(expires)s::interval[], %(batch_size)s::int[], %(batch_delay)s::interval[],
        %(max_in_flight)s::int[], %(requested_by)s::text[], %(retry_of)s::uuid[])
      as g(id, schedule, task, options, trigger, due_at, covers_from, covers_count, state, reason,
           exclusive, queue, priority, max_attempts, timeout, expires, batch_size, batch_delay,
           max_in_flight, requested_by, retry_of)
), inserted as (
    insert into run (id, schedule, task, options, trigger, due_at, covers_from, covers_count, state,
                     reason, exclusive, queue, priority, max_attempts, timeout, expires_at,
                     batch_size, batch_delay, max_in_flight, requested_by, retry_of, batch_count,
                     open_batches, finished_at, counted)
    select id, schedule, task, options::jsonb, trigger, due_at, covers_from, covers_count, state,
           reason, exclusive, queue, priority, max_attempts, timeout, due_at + expires, batch_size,
           batch_delay, max_in_flight, requested_by, retry_of,
           case when state in ('due', 'held') then 1 else 0 end,
           case when state in ('due', 'held') then 1 else 0 end,
           case when state in ('skipped', 'missed') then %(now)s end,
           state in ('skipped', 'missed')
      from given
    on conflict do nothing
    returning id, schedule, task, queue, priority, state
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, send_at)
    select id, 0, task, queue, priority, %(now)s + {RESERVED} from inserted where state = 'due'
)
select id, 0 as seq, 0 as fence, task, queue, priority, schedule from inserted where state = 'due'
"""  # noqa: S608 - a constant of our own

COLUMNS = (
    "id", "schedule", "task", "options", "trigger", "due_at", "covers_from", "covers_count", "state",
    "reason", "exclusive", "queue", "priority", "max_attempts", "timeout", "expires", "batch_size",
    "batch_delay", "max_in_flight", "requested_by", "retry_of",
)  # fmt: skip

COUNT_ACTIVE = """
select schedule, count(*) filter (where state <> 'held') as active,
       count(*) filter (where state = 'held') as held
  from run where schedule = any(%(names)s) and state in ('due', 'running', 'held')
 group by schedule
"""

COUNT_TASKS = """
select task, count(*) from run where task = any(%(tasks)s) and state in ('due', 'running')
 group by task
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says: which batch of which run, of what task, to which queue."""

    run_id: uuid.UUID
    seq: int
    fence: int
    task: str
    queue: str
    priority: int
    schedule: str | None


NewRun = tuple[Any, ...]


def new_run(
    row: Any,
    due_at: datetime,
    state: str,
    *,
    trigger: str = "schedule",
    reason: str | None = None,
    covers_from: datetime | None = None,
    covers_count: int = 1,
    options: str | None = None,
    requested_by: str | None = None,
    retry_of: uuid.UUID | None = None,
    exclusive: bool | None = None,
) -> NewRun:
    """One row of `run` from a schedule's ``row``, in the order of COLUMNS."""
    alone = row.overlap != "allow_all" if exclusive is None else exclusive
    return (
        uuid.uuid4(), row.name, row.task, options or row.options, trigger, due_at, covers_from,
        covers_count, state, reason, alone, row.queue, row.priority, row.max_attempts, row.timeout,
        row.expires, row.batch_size, row.batch_delay, row.max_in_flight, requested_by, retry_of,
    )  # fmt: skip


def insert(connection: psycopg.Connection[Any], runs: list[NewRun], now: datetime) -> list[Message]:
    """Write the runs, with a first batch for those that start; returns what is to be sent.

    A due time that has its row already is left as it is.
    """
    if not runs:
        return []
    columns = dict(zip(COLUMNS, (list(column) for column in zip(*runs, strict=True)), strict=True))
    return [Message(*row) for row in connection.execute(INSERT, {**columns, "now": now})]
