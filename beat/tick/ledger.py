"""Rows of `run` and their first batch, as beat writes them: many with one statement."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import structlog

from workers.ledger import machine_locks

log = structlog.stdlib.get_logger("beat.claim")

#: Between the commit of a batch and the mark that it was sent, other beats leave it alone.
RESERVED = "interval '5 seconds'"

INSERT = f"""
with given as (
    select * from unnest(
        %(id)s::uuid[], %(schedule)s::text[], %(trigger)s::text[], %(due_at)s::timestamptz[],
        %(covers_from)s::timestamptz[], %(covers_count)s::int[], %(state)s::text[],
        %(reason)s::text[], %(options)s::text[], %(exclusive)s::boolean[],
        %(requested_by)s::text[], %(retry_of)s::uuid[])
      as g(id, schedule, trigger, due_at, covers_from, covers_count, state, reason, options,
           exclusive, requested_by, retry_of)
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
           coalesce(s.timeout, k.timeout), g.due_at + s.expires, s.batch_size, s.batch_delay,
           s.max_in_flight, g.requested_by, g.retry_of,
           case when g.state in ('due', 'held') then 1 else 0 end,
           case when g.state in ('due', 'held') then 1 else 0 end,
           %(now)s, case when g.state in ('skipped', 'missed') then %(now)s end,
           g.state in ('skipped', 'missed')
      from given g
      join schedule s on s.name = g.schedule
      join task_kind k on k.name = s.task
    on conflict do nothing
    returning id, schedule, task, queue, priority, state
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, send_at)
    select id, 0, task, queue, priority, %(now)s + {RESERVED} from inserted where state = 'due'
)
select id::text, 0, 0, task, queue, priority, schedule, state from inserted
"""  # noqa: S608 - a constant of our own

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

    run_id: str
    seq: int
    fence: int
    task: str
    queue: str
    priority: int
    schedule: str | None


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
    requested_by: str | None = None
    retry_of: uuid.UUID | None = None
    id: str = ""

    def __post_init__(self) -> None:
        self.id = str(uuid.uuid4())


COLUMNS = tuple(NewRun.__dataclass_fields__)


def lock_tasks(connection: psycopg.Connection[Any], tasks: list[str]) -> None:
    """Before their runs are counted: two beats must not both find the last free place of a kind."""
    connection.execute(machine_locks.WAIT, {"names": [f"kind {task}" for task in tasks]})


def array(values: Iterable[object]) -> str:
    """``values`` as Postgres's array literal: several times cheaper than the driver's lists."""
    return "{" + ",".join(["NULL" if one is None else _quoted(str(one)) for one in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def insert(connection: psycopg.Connection[Any], runs: list[NewRun], now: datetime) -> list[Message]:
    """Write the runs, with a first batch for those that start; returns what is to be sent.

    A due time that has its row already is left as it is.
    """
    if not runs:
        return []
    columns: dict[str, Any] = {name: array([getattr(run, name) for run in runs]) for name in COLUMNS}
    rows = connection.execute(INSERT, {**columns, "now": now}).fetchall()
    if len(rows) < len(runs):
        written = {row[0] for row in rows}
        left = sorted({run.schedule for run in runs if run.id not in written})
        log.warning("run.existed", schedules=left[:10], runs=len(runs) - len(rows))
    return [Message(*row[:7]) for row in rows if row[7] == "due"]
