"""An edit of a schedule that goes on in its runs: priority, batch size, delay, batches in flight.

What has begun goes on as it began; the rest of the run obeys.  Lock order: run, batch.  A run that
somebody holds is left for the next time.
"""

from __future__ import annotations

from typing import Any

import psycopg

from beat.tick.ledger import array

Connection = psycopg.Connection[Any]

_COLUMNS = "priority, batch_size, batch_delay, max_in_flight"

CHANGED = f"""
select r.id::text, r.batch_size is distinct from s.batch_size and s.batch_size is not null,
       r.batch_delay is distinct from s.batch_delay
  from run r join schedule s on s.name = r.schedule
 where r.schedule = any(%(names)s) and r.state in ('due', 'running', 'held')
   and ({", ".join(f"r.{one}" for one in _COLUMNS.split(", "))})
       is distinct from ({", ".join(f"s.{one}" for one in _COLUMNS.split(", "))})
   for no key update of r skip locked
"""  # noqa: S608 - column names of our own

OBEY = f"""
update run r set ({_COLUMNS}) = (s.priority, s.batch_size, s.batch_delay, s.max_in_flight)
  from schedule s where s.name = r.schedule and r.id = any(%(ids)s::uuid[])
"""  # noqa: S608

#: A message on its way has the old priority: one more goes with the new; whichever comes second finds
#: the batch taken.
REORDER = """
update batch b set priority = r.priority, state = 'waiting', sends = 0,
       send_at = case when b.state = 'sent' then clock_timestamp() else b.send_at end
  from run r
 where b.run_id = r.id and r.id = any(%(ids)s::uuid[]) and b.state in ('waiting', 'sent')
   and b.priority <> r.priority
"""

#: What has not begun is cut anew, in its order, behind what has.
REGROUP = """
with taken as (
    delete from batch where run_id = %(id)s and state in ('waiting', 'sent') and fence = 0 and seq > 0
    returning seq, items, waiting_for
), item as (
    select each.item, (row_number() over (order by seq, n) - 1) / r.batch_size as part,
           row_number() over (order by seq, n) as place
      from taken cross join jsonb_array_elements(taken.items) with ordinality as each(item, n)
      join run r on r.id = %(id)s
), planned as (
    insert into batch (run_id, seq, task, queue, priority, items, total, waiting_for, send_at)
    select r.id, r.batch_count + part, r.task, r.queue, r.priority, jsonb_agg(item order by place),
           count(*), (select max(waiting_for) from taken),
           case when not exists (select from taken where waiting_for is not null)
                 and (r.max_in_flight is null or part < r.max_in_flight)
                then clock_timestamp() + part * coalesce(r.batch_delay, interval '0') end
      from item join run r on r.id = %(id)s group by r.id, part
    returning seq
)
update run set batch_count = batch_count + (select count(*) from planned),
       open_batches = open_batches + (select count(*) from planned) - (select count(*) from taken)
 where id = %(id)s
"""

#: Counted from the last start; the claim keeps the distance, this only brings nobody too late.
RESPACE = """
with turn as (
    select run_id, seq, row_number() over (partition by run_id order by seq) as number
      from batch where run_id = any(%(ids)s::uuid[]) and seq > 0 and started_at is null
       and state in ('waiting', 'sent') and waiting_for is null and send_at is not null
), last as (
    select run_id, max(started_at) as at from batch
     where run_id = any(%(ids)s::uuid[]) and seq > 0 group by run_id
)
update batch b set state = 'waiting', sends = 0, not_before = moment.at, send_at = moment.at
  from (select turn.run_id, turn.seq,
               greatest(clock_timestamp(), coalesce(last.at, clock_timestamp() - r.batch_delay)
                                           + turn.number * r.batch_delay) as at
          from turn join run r on r.id = turn.run_id left join last on last.run_id = turn.run_id
         where r.batch_delay is not null) moment
 where b.run_id = moment.run_id and b.seq = moment.seq
"""

#: More may be in flight than before; too many are put back when a worker comes for them.
LET_GO = """
with flying as (
    select run_id, count(*) as number from batch
     where run_id = any(%(ids)s::uuid[]) and seq > 0
       and (state in ('running', 'sent') or state = 'waiting' and send_at is not null)
     group by run_id
), turn as (
    select run_id, seq, row_number() over (partition by run_id order by seq) as number
      from batch where run_id = any(%(ids)s::uuid[]) and state = 'waiting' and send_at is null
       and waiting_for is null and seq > 0
)
update batch b set send_at = coalesce(b.not_before, clock_timestamp())
  from turn join run r on r.id = turn.run_id left join flying on flying.run_id = turn.run_id
 where b.run_id = turn.run_id and b.seq = turn.seq
   and (r.max_in_flight is null or turn.number <= r.max_in_flight - coalesce(flying.number, 0))
"""


STILL = """
select distinct r.schedule from run r join schedule s on s.name = r.schedule
 where r.schedule = any(%(names)s) and r.state in ('due', 'running', 'held')
   and (r.priority, r.batch_size, r.batch_delay, r.max_in_flight)
       is distinct from (s.priority, s.batch_size, s.batch_delay, s.max_in_flight)
"""


def reshape(connection: Connection, names: list[str]) -> set[str]:
    """Let the active runs of ``names`` obey; returns the names of which some run is still to do."""
    with connection.transaction():
        found = connection.execute(CHANGED, {"names": names}).fetchall()
        if found:
            _obey(connection, found)
    return {name for (name,) in connection.execute(STILL, {"names": names})}


def _obey(connection: Connection, found: list[Any]) -> None:
    ids = array([run_id for run_id, *_ in found])
    connection.execute(OBEY, {"ids": ids})
    connection.execute(REORDER, {"ids": ids})
    for run_id, resized, _ in found:
        if resized:
            connection.execute(REGROUP, {"id": run_id})
    respaced = [run_id for run_id, _, moved in found if moved]
    if respaced:
        connection.execute(RESPACE, {"ids": array(respaced)})
    connection.execute(LET_GO, {"ids": ids})
