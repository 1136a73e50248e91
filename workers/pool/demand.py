"""What could run now: one cheap read for the autoscaler (tables `batch`, `heartbeat`, `worker_group`).

A batch that waits for an upstream's quota, for its batch delay or for its back-off is not counted: it
needs no process.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from workers.pool import scaling
from workers.pool.scaling import Server

#: A worker is believed to live so long after its last heartbeat (seconds).
ALIVE = 10.0
#: More ready batches than this are not counted: nobody has so many processes.
MOST_COUNTED = 500

DEMAND = text("""
select (select jsonb_object_agg(queue, number)
          from (select queue,
                       (select count(*) from (select from batch b
                           where b.queue = served.queue and b.state = 'sent' limit :most) sent)
                     + (select count(*) from (select from batch b
                           where b.queue = served.queue and b.state = 'waiting'
                             and b.send_at <= statement_timestamp() limit :most) due) as number
                  from unnest(cast(:queues as text[])) as served(queue)) counted) as ready,
       (select jsonb_object_agg(worker, number)
          from (select worker, count(*) as number from batch
                 where queue = any(:queues) and state = 'running' group by worker) held) as busy,
       (select jsonb_object_agg(name, detail) from heartbeat
         where role = 'worker' and name <> :me and not detail ? 'ended'
           and seen_at > statement_timestamp() - :alive * interval '1 second') as others,
       (select jsonb_build_array(max_processes, min_processes) from worker_group
         where name = :group) as bounds
""")


@dataclass(frozen=True, slots=True)
class Demand:
    """What one worker should know: what is ready, what it should have, what people allow (max, min)."""

    ready: int
    busy: int
    wanted: int
    bounds: tuple[int, int] | None


def read(connection: Connection, me: str, queues: Collection[str], high: int) -> Demand:
    """What worker ``me`` should have now, of what the living workers of its queues share."""
    row = connection.execute(
        DEMAND,
        {
            "me": me,
            "queues": sorted(queues),
            "group": me.partition("@")[0],
            "alive": ALIVE,
            "most": MOST_COUNTED,
        },
    ).one()
    busy = row.busy or {}
    bounds = tuple(row.bounds) if row.bounds else None
    servers = [Server(me, queues, busy.get(me, 0), bounds[0] if bounds else high)]
    for name, detail in (row.others or {}).items():
        most = detail.get("max", detail.get("processes", 1))
        servers.append(Server(name, detail.get("queues", ()), busy.get(name, 0), most))
    ready = row.ready or {}
    wanted = scaling.divide(ready, servers)[me]
    return Demand(sum(ready.values()), busy.get(me, 0), wanted, bounds)
