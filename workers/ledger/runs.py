"""`run`: one row a due time; what happened to it, for ever readable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from workers.db import Driver, execute
from workers.ledger import machine_locks

LOCK = "select r.*, clock_timestamp() as now from run r where r.id = %s for update"


def lock(connection: Driver, run_id: UUID) -> Mapping[str, Any] | None:
    """The run's row, locked, with the database's clock read after the lock as ``now``."""
    return execute(connection, LOCK, (run_id,), dict_row).fetchone()


LOCK_BRIEFLY = "select id, max_in_flight from run where id = %s for update"


def lock_briefly(connection: Driver, run_id: UUID) -> Mapping[str, Any] | None:
    """Lock the run and read only what the end of a batch needs."""
    return execute(connection, LOCK_BRIEFLY, (run_id,), dict_row).fetchone()


COUNT_ACTIVE = """
select schedule, trigger = 'backfill', count(*) filter (where state <> 'held'),
       count(*) filter (where state = 'held')
  from run where schedule = any(%(names)s) and state in ('due', 'running', 'held')
 group by 1, 2
"""

COUNT_TASKS = """
select task, count(*) from run where task = any(%(tasks)s) and state in ('due', 'running')
 group by task
"""


@dataclass(slots=True)
class Unfinished:
    active: int = 0
    held: int = 0


def count_active(connection: Driver, names: list[str]) -> dict[tuple[str, bool], Unfinished]:
    """Unfinished runs by schedule and whether they are of a backfill."""
    found = connection.execute(COUNT_ACTIVE, {"names": names})
    return {(name, backfill): Unfinished(*counts) for name, backfill, *counts in found}


def count_tasks(connection: Driver, tasks: list[str]) -> dict[str, int]:
    """Active runs of each task; locked, so that two beats never both find the last free place."""
    lock_tasks(connection, tasks)
    return dict(connection.execute(COUNT_TASKS, {"tasks": tasks}).fetchall())


def lock_tasks(connection: Driver, tasks: list[str]) -> None:
    if tasks:
        machine_locks.wait_for(connection, *(f"kind {task}" for task in tasks))


DEFERRED = """
select i->>'key'
  from (select id from run
         where schedule = %(schedule)s and total > 0 and finished_at is not null and id <> %(id)s
         order by created_at desc limit 1) last
  join batch on batch.run_id = last.id
  cross join jsonb_array_elements(batch.items) i
 where i->>'state' = 'deferred'
"""


def deferred_keys(connection: Driver, run: Mapping[str, Any]) -> set[str]:
    """Keys of the items that the run before this one of the same schedule had to leave."""
    return {key for (key,) in connection.execute(DEFERRED, run)}
