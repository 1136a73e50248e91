"""Lets go what waited: held runs whose turn has come, batches whose upstream can serve again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from beat.tick import schedule_states
from beat.tick.ledger import RESERVED, Message, lock_tasks
from workers.ledger import machine_locks
from workers.upstreams.permits import ELAPSED, LONG_WAIT

Connection = psycopg.Connection[Any]

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
                       order by created_at, due_at limit 1) first
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

#: The same question once more, now that the schedules are locked; one run each.
RELEASE = f"""
with first as materialized (
    select distinct on (r.schedule) r.id, r.exclusive, r.schedule, r.task, k.max_running
      from run r join task_kind k on k.name = r.task
     where r.schedule = any(%(names)s) and r.state = 'held'
     order by r.schedule, r.created_at, r.due_at
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
    returning run.id, run.task, run.queue, run.priority, run.schedule
), first_batch as (
    insert into batch (run_id, seq, task, queue, priority, send_at)
    select id, 0, task, queue, priority, %(now)s + {RESERVED} from released
    on conflict do nothing
)
select id::text, 0, 0, task, queue, priority, schedule from released
"""  # noqa: S608 - a constant of our own

GONE = """
update run set state = 'skipped', reason = 'its schedule was deleted', open_batches = 0,
       finished_at = %(now)s, counted = true
 where state = 'held' and schedule = any(%(names)s)
   and not exists (select from schedule where name = run.schedule)
"""


def release_held(connection: Connection, now: datetime, limit: int) -> list[Message]:
    """Start the oldest held run of each schedule that has no active one; returns what to send."""
    found = connection.execute(READY, {"limit": limit}).fetchall()
    if not found:
        return []
    gone = [name for name, is_gone in found if is_gone]
    if gone:
        connection.execute(GONE, {"names": gone, "now": now})
    with connection.transaction():
        names = sorted(name for name, is_gone in found if not is_gone)
        locked = connection.execute(schedule_states.LOCK_NAMED, {"names": names}).fetchall()
        parameters = {"names": [name for (name,) in locked], "now": now}
        tasks = [task for (task,) in connection.execute(LIMITED, parameters)]
        if tasks:
            lock_tasks(connection, tasks)
        return [Message(*row) for row in connection.execute(RELEASE, parameters)]


#: A released batch keeps ``waiting_for`` until a worker has it: it counts against what is available.
UPSTREAMS = """
select upstream from upstream_state
 where next_permit_at <= %(now)s
   and exists (select from batch where state in ('waiting', 'sent')
                                   and waiting_for = upstream_state.upstream and send_at is null)
"""

#: Parked: waits for this upstream and has not been let go.
PARKED = "state in ('waiting', 'sent') and waiting_for = %(upstream)s and send_at is null"

#: One batch of every run that waits for the upstream, found by skipping from run to run: behind a run
#: with very many, others come to their turn too.
HEADS = f"""
with recursive head as (
    (select run_id from batch where {PARKED} order by run_id limit 1)
    union all
    select (select run_id from batch where {PARKED} and run_id > head.run_id order by run_id limit 1)
      from head where head.run_id is not null
)
select first.* from (select run_id from head where run_id is not null limit 1000) runs
  cross join lateral (select run_id, seq, priority, updated_at from batch
                       where {PARKED} and run_id = runs.run_id order by updated_at, seq limit 1) first
"""  # noqa: S608 - constants of our own

#: Whose turn it is depends on whose calls went last; so many calls are looked at.
REMEMBERED = 200

#: Runs of one priority take turns, and sending keeps their order.
LET_GO = f"""
with let_go as materialized (
    select run_id, count(*) as number from batch
     where state in ('waiting', 'sent') and waiting_for = %(upstream)s and send_at is not null
     group by run_id
), allowed as materialized (
    select permits_available(%(upstream)s, %(now)s)
           - coalesce((select sum(number) from let_go), 0)::integer as number
), fair as materialized (
    select run_id, seq, priority, updated_at,
           row_number() over (partition by run_id order by updated_at, seq) as turn
      from ((select run_id, seq, priority, updated_at from batch where {PARKED}
              order by priority desc, updated_at limit 1000)
            union ({HEADS})) first
     where (select number from allowed) > 0
), served as materialized (
    select run_id, max(granted_at) as at
      from (select run_id, granted_at from permit where upstream = %(upstream)s
             order by stamp desc limit {REMEMBERED}) recent
     group by run_id
), chosen as materialized (
    select fair.run_id, fair.seq,
           row_number() over (order by fair.priority desc, turn + coalesce(let_go.number, 0),
                                       served.at nulls first, fair.updated_at) as place
      from fair join run r on r.id = fair.run_id
      left join served on served.run_id = fair.run_id
      left join let_go on let_go.run_id = fair.run_id
     where r.max_in_flight is null
        or turn <= r.max_in_flight - (select count(*) from batch b where b.run_id = r.id and b.seq > 0
                                         and (b.state in ('running', 'sent')
                                              or b.state = 'waiting' and b.send_at is not null))
), locked as materialized (
    select run_id, seq from batch
     where {PARKED} and (run_id, seq) in (
           select run_id, seq from chosen where place <= (select number from allowed))
     order by run_id, seq for update skip locked
)
update batch b set send_at = %(now)s + place * interval '1 microsecond'
  from locked join chosen using (run_id, seq)
 where b.run_id = locked.run_id and b.seq = locked.seq
"""  # noqa: S608

#: Nothing could be let go: when the upstream can serve again, by what is known now; a call in flight is
#: not watched all the time.  The door is locked, so that no edit is overwritten.
LOCK_DOOR = "select from upstream_state where upstream = %(upstream)s for update"
LOOK_AGAIN = """
update upstream_state s
   set next_permit_at = greatest(refused.free_at, %(now)s + interval '0.2 s'),
       next_permit_reason = refused.reason
  from (select (permit_refusal(u, d, %(now)s, false)).*
          from upstream u join upstream_state d on d.upstream = u.name
         where u.name = %(upstream)s) refused
 where s.upstream = %(upstream)s and refused.free_at is not null
"""

#: Upstreams that will serve nobody for so long that the runs which wait for them had better know.
HOPELESS = """
with asked as materialized (
    select d.upstream from upstream_state d join upstream u on u.name = d.upstream
     where (d.next_permit_at > %(now)s + %(shut)s or not u.enabled)
       and exists (select from batch where state in ('waiting', 'sent')
                                       and waiting_for = d.upstream and send_at is null)
)
select asked.upstream
  from asked join upstream_state d on d.upstream = asked.upstream
  join upstream u on u.name = asked.upstream
  cross join lateral permit_refusal(u, d, %(now)s, false) refused
 where refused.cause <> 'spacing'
   and (refused.cause = 'disabled'
        or refused.free_at >= %(now)s + case refused.cause when 'closed' then %(shut)s
                                                           else %(long)s end)
"""

#: One batch of each such run is let go: its worker is told how things stand, and defers the run.
NOTIFY_BLOCKED = f"""
with told as materialized (
    select first.run_id, first.seq from ({HEADS}) first
     where not exists (select from batch b where b.run_id = first.run_id
                          and b.waiting_for = %(upstream)s and b.state in ('waiting', 'sent')
                          and b.send_at is not null)
), locked as materialized (
    select run_id, seq from batch where {PARKED} and (run_id, seq) in (select run_id, seq from told)
     order by run_id, seq for update skip locked
)
update batch b set send_at = %(now)s from locked
 where b.run_id = locked.run_id and b.seq = locked.seq
"""  # noqa: S608

NEXT_PERMIT = """
select min(next_permit_at) from upstream_state
 where exists (select from batch where state in ('waiting', 'sent')
                                   and waiting_for = upstream_state.upstream and send_at is null)
"""


def release_waiting(connection: Connection, now: datetime) -> int:
    """Send on as many batches as each upstream could serve now; returns how many.

    One beat at a time does it for an upstream, by priority, and in turn between runs that share it.
    """
    released = 0
    for (upstream,) in connection.execute(UPSTREAMS, {"now": now}).fetchall():
        parameters = {"upstream": upstream, "now": now}
        with connection.transaction():
            if not machine_locks.try_for(connection, f"release {upstream}"):
                continue
            done = connection.execute(LET_GO, parameters).rowcount
            if not done:
                connection.execute(LOCK_DOOR, parameters)
                connection.execute(LOOK_AGAIN, parameters)
            released += done
    return released


def notify_blocked_runs(connection: Connection, now: datetime) -> int:
    """Let one batch of each run go whose upstream is shut for long; returns how many."""
    told = 0
    parameters: dict[str, Any] = {
        "now": now,
        "long": timedelta(seconds=LONG_WAIT),
        "shut": timedelta(seconds=LONG_WAIT - ELAPSED),
    }
    for (upstream,) in connection.execute(HOPELESS, parameters).fetchall():
        with connection.transaction():
            told += connection.execute(NOTIFY_BLOCKED, {**parameters, "upstream": upstream}).rowcount
    return told
