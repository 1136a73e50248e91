"""Edits of a schedule that its active runs follow: priority, batch size, delay, batches in flight.

What has begun goes on as it began; the rest of the run follows the edit.  Lock order: run, batch.
A run that somebody has locked is left for the next time.
"""

from typing import Any

from workers.db import Driver, array
from workers.ledger import in_flight

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

COPY = f"""
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
           case when r.max_in_flight is null
                 and not exists (select from taken where waiting_for is not null)
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

STILL = """
select distinct r.schedule from run r join schedule s on s.name = r.schedule
 where r.schedule = any(%(names)s) and r.state in ('due', 'running', 'held')
   and (r.priority, r.batch_size, r.batch_delay, r.max_in_flight)
       is distinct from (s.priority, s.batch_size, s.batch_delay, s.max_in_flight)
"""


def apply_edits(connection: Driver, names: list[str]) -> set[str]:
    """Apply the edits of these schedules to their active runs; returns whose runs are still to do."""
    with connection.transaction():
        changed = connection.execute(CHANGED, {"names": names}).fetchall()
        if changed:
            _apply(connection, changed)
    return {name for (name,) in connection.execute(STILL, {"names": names})}


def _apply(connection: Driver, changed: list[Any]) -> None:
    ids = array([run_id for run_id, *_ in changed])
    connection.execute(COPY, {"ids": ids})
    connection.execute(REORDER, {"ids": ids})
    for run_id, resized, _ in changed:
        if resized:
            connection.execute(REGROUP, {"id": run_id})
    respaced = [run_id for run_id, _, moved in changed if moved]
    if respaced:
        connection.execute(RESPACE, {"ids": array(respaced)})
    in_flight.let_go_all(connection, [run_id for run_id, *_ in changed])
