"""Batches that wait for an upstream: released as it can serve them, or when it is blocked for long."""

from datetime import datetime, timedelta
from typing import Any

from workers.db import Driver, execute
from workers.ledger import machine_locks
from workers.ledger.in_flight import ROOM

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

#: Runs whose calls went longest ago come first; so many calls of the last day are looked at.
MAX_REMEMBERED = 200

#: Runs of one priority take turns, and sending keeps their order.
RELEASE = f"""
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
               and granted_at > %(now)s - interval '1 day'
             order by stamp desc limit {MAX_REMEMBERED}) recent
     group by run_id
), chosen as materialized (
    select fair.run_id, fair.seq,
           row_number() over (order by fair.priority desc, turn + coalesce(let_go.number, 0),
                                       served.at nulls first, fair.updated_at) as place
      from fair join run r on r.id = fair.run_id
      left join served on served.run_id = fair.run_id
      left join let_go on let_go.run_id = fair.run_id
     where turn <= coalesce({ROOM}, turn)
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
#: not watched all the time.  The upstream's state is locked, so that no edit is overwritten; one that
#: somebody has locked is looked at in the next tick.
LOCK_STATE = "select from upstream_state where upstream = %(upstream)s for update skip locked"
LOOK_AGAIN = """
update upstream_state s
   set next_permit_at = greatest(refused.free_at, %(now)s + interval '0.2 s'),
       next_permit_reason = refused.reason
  from (select (permit_refusal(u, d, %(now)s, false)).*
          from upstream u join upstream_state d on d.upstream = u.name
         where u.name = %(upstream)s) refused
 where s.upstream = %(upstream)s and refused.free_at is not null
"""

#: Upstreams that will serve nobody for so long that the runs which wait for them are deferred.
BLOCKED = """
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
        or refused.free_at >= %(now)s + case refused.cause when 'blocked' then %(shut)s
                                                           else %(long)s end)
"""

#: One batch of each such run is let go: its worker is refused, and defers the run.
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


def release(connection: Driver, now: datetime) -> int:
    """Send on as many batches as each upstream could serve now; returns how many.

    One beat at a time does it for an upstream, by priority, and in turn between runs that share it.
    """
    released = 0
    for (upstream,) in connection.execute(UPSTREAMS, {"now": now}).fetchall():
        what = {"upstream": upstream, "now": now}
        with connection.transaction():
            if not machine_locks.try_for(connection, f"release {upstream}"):
                continue
            done = execute(connection, RELEASE, what).rowcount
            if not done and execute(connection, LOCK_STATE, what).rowcount:
                execute(connection, LOOK_AGAIN, what)
            released += done
    return released


def notify_blocked(connection: Driver, now: datetime, *, blocked: timedelta, spent: timedelta) -> int:
    """Release one batch of each run whose upstream serves nobody for long; returns how many.

    ``blocked`` and ``spent`` say how long is long, for a blocked upstream and for a quota.
    """
    told = 0
    what: dict[str, Any] = {"now": now, "long": spent, "shut": blocked}
    for (upstream,) in connection.execute(BLOCKED, what).fetchall():
        with connection.transaction():
            told += execute(connection, NOTIFY_BLOCKED, {**what, "upstream": upstream}).rowcount
    return told
