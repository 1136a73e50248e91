"""Lets go what waited: held runs whose turn has come, batches whose upstream can serve again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from beat import ledger
from beat.ledger import RESERVED, Message

Connection = psycopg.Connection[Any]

HELD = """
select distinct schedule from (
    select schedule from run where state = 'held' order by created_at limit %(limit)s) held
"""

LOCK = """
select st.schedule, s.overlap, k.max_running, s.task
  from schedule_state st join schedule s on s.name = st.schedule join task_kind k on k.name = s.task
 where st.schedule = any(%(names)s) order by st.schedule for update of st skip locked
"""

RELEASE = f"""
with next_one as (
    select id from run where schedule = %(name)s and state = 'held' order by created_at, due_at limit 1
), released as (
    update run set state = 'due', reason = null from next_one
     where run.id = next_one.id and run.state = 'held'
    returning run.id, run.task, run.queue, run.priority, run.schedule
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, send_at)
    select id, 0, task, queue, priority, %(now)s + {RESERVED} from released
    on conflict do nothing
)
select id, 0, 0, task, queue, priority, schedule from released
"""  # noqa: S608 - a constant of our own

GONE = """
update run set state = 'skipped', reason = 'its schedule was deleted', open_batches = 0,
       finished_at = %(now)s, counted = true
 where state = 'held' and schedule = any(%(names)s)
   and not exists (select from schedule where name = run.schedule)
"""


def release_held(connection: Connection, now: datetime, limit: int) -> list[Message]:
    """Start the oldest held run of each schedule that has no active one; returns what to send."""
    found = connection.execute(HELD, {"limit": limit}).fetchall()
    names = sorted(name for (name,) in found if name is not None)
    if not names:
        return []
    messages: list[Message] = []
    with connection.transaction():
        rows = connection.execute(LOCK, {"names": names}).fetchall()
        counted = connection.execute(ledger.COUNT_ACTIVE, {"names": [row[0] for row in rows]})
        active = {name: number for name, number, _ in counted}
        tasks = dict(
            connection.execute(ledger.COUNT_TASKS, {"tasks": [row[3] for row in rows]}).fetchall()
        )
        for name, overlap, max_running, task in rows:
            busy = overlap != "allow_all" and active.get(name, 0) > 0
            if busy or (max_running is not None and tasks.get(task, 0) >= max_running):
                continue
            released = connection.execute(RELEASE, {"name": name, "now": now}).fetchall()
            tasks[task] = tasks.get(task, 0) + len(released)
            messages += [Message(*row) for row in released]
        connection.execute(GONE, {"names": names, "now": now})
    return messages


UPSTREAMS = """
select upstream from upstream_state
 where next_permit_at <= %(now)s
   and exists (select from batch where state = 'waiting' and waiting_for = upstream_state.upstream)
"""

LET_GO = """
with allowed as (
    select case when pg_try_advisory_xact_lock(hashtextextended('release ' || %(upstream)s, 0))
                then permits_available(%(upstream)s, %(now)s) else 0 end as number
), chosen as (
    select run_id, seq from batch, allowed
     where state = 'waiting' and waiting_for = %(upstream)s and allowed.number > 0
     order by priority desc, updated_at
     limit (select number from allowed) for update of batch skip locked
)
update batch b set waiting_for = null, send_at = %(now)s from chosen
 where b.run_id = chosen.run_id and b.seq = chosen.seq
"""


def release_waiting(connection: Connection, now: datetime) -> int:
    """Send on as many batches as each upstream could serve now; returns how many."""
    released = 0
    for (upstream,) in connection.execute(UPSTREAMS, {"now": now}).fetchall():
        with connection.transaction():
            done = connection.execute(LET_GO, {"upstream": upstream, "now": now})
            released += done.rowcount
    return released
