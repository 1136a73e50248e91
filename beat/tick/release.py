"""Releases what waited: held runs that may start, batches whose upstream can serve again."""

from datetime import timedelta

from beat.tick.context import TickContext
from beat.tick.reading import lock_names
from workers.ledger import finished, planned, runs, waiting
from workers.ledger.sent import Message
from workers.upstreams.permits import ELAPSED, LONG_WAIT

#: Schedules whose first held run may start now, found by skipping from name to name.
READY = """
with recursive held as (
    (select schedule from run where state = 'held' order by schedule limit 1)
    union all
    select (select schedule from run where state = 'held' and schedule > held.schedule
             order by schedule limit 1)
      from held where held.schedule is not null
)
select held.schedule, s.name is null
  from held
  cross join lateral (select exclusive from run where state = 'held' and schedule = held.schedule
                       order by trigger = 'backfill', created_at, due_at limit 1) first
  left join schedule s on s.name = held.schedule
  left join task_kind k on k.name = s.task
 where held.schedule is not null
   and not (first.exclusive and exists (select from run where schedule = held.schedule
                                            and state in ('due', 'running')))
   and (k.max_running is null
        or (select count(*) from (select from run where task = s.task and state in ('due', 'running')
                                   limit k.max_running) active) < k.max_running)
 limit %(limit)s
"""

LIMITED = """
select distinct k.name from schedule s join task_kind k on k.name = s.task
 where s.name = any(%(names)s) and k.max_running is not null
"""


def release(context: TickContext) -> bool:
    messages = _release_held(context)
    context.messages += messages
    return waiting.release(context.connection, context.now) > 0 or bool(messages)


def _release_held(context: TickContext) -> list[Message]:
    connection = context.connection
    found = connection.execute(READY, {"limit": context.limit}).fetchall()
    if not found:
        return []
    with connection.transaction():
        gone = [name for name, is_gone in found if is_gone]
        if gone:
            finished.skip_deleted(connection, gone, context.now)
        names = sorted(name for name, is_gone in found if not is_gone)
        locked = lock_names(connection, names)
        tasks = [task for (task,) in connection.execute(LIMITED, {"names": locked})]
        runs.lock_tasks(connection, tasks)
        return planned.release_held(connection, locked, context.now)


def notify_blocked_runs(context: TickContext) -> bool:
    spent, blocked = timedelta(seconds=LONG_WAIT), timedelta(seconds=LONG_WAIT - ELAPSED)
    return waiting.notify_blocked(context.connection, context.now, blocked=blocked, spent=spent) > 0
