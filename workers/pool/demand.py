"""How many batches are ready: one read for the autoscaler (`batch`, `heartbeat`, `worker_group`).

A batch that waits for an upstream's quota, for its batch delay or for its back-off is not counted: it
needs no process.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from workers.db import Driver, execute
from workers.pool import scaling
from workers.pool.scaling import Server

#: A worker counts as alive for this long after its last heartbeat (seconds).
MAX_SILENCE = 10.0
#: So many ready batches of a queue are counted at least, and at most.
MIN_COUNTED, MAX_COUNTED = 500, 10_000

DEMAND = """
select (select jsonb_object_agg(queue, number)
          from (select queue,
                       (select count(*) + (%(slots)s - 1) * count(*) filter (where plain)
                          from (select plain from batch b
                           where b.state = 'sent' and b.queue = served.queue
                           limit %(max_counted)s) announced)
                     + (select count(*) + (%(slots)s - 1) * count(*) filter (where plain)
                          from (select plain from batch b
                           where (b.state = 'waiting' or b.state = 'sent' and b.sends > 0)
                             and b.state = 'waiting' and b.send_at <= statement_timestamp()
                             and b.queue = served.queue limit %(max_counted)s) due)
                       as number
                  from unnest(%(queues)s::text[]) as served(queue)) counted) as ready,
       (select jsonb_object_agg(worker, number)
          from (select worker, count(*) + (%(slots)s - 1) * count(*) filter (where plain) as number
                  from batch
                 where queue = any(%(queues)s) and state = 'running' group by worker) held) as busy,
       (select jsonb_object_agg(name, detail) from heartbeat
         where role = 'worker' and name <> %(me)s and not detail ? 'ended'
           and seen_at > statement_timestamp() - %(max_silence)s * interval '1 second') as others,
       (select jsonb_build_array(max_processes, min_processes) from worker_group
         where name = %(group)s) as bounds
"""


@dataclass(frozen=True, slots=True)
class Demand:
    """Ready and running batches, processes this worker should have, bounds (max, min) from its row."""

    ready: int
    busy: int
    wanted: int
    bounds: tuple[int, int] | None


def read(connection: Driver, me: str, queues: Collection[str], high: int, slots: int = 1) -> Demand:
    """What worker ``me``, with so many ``slots`` a process, should have of what the workers share."""
    values = {
        "me": me,
        "queues": sorted(queues),
        "group": me.partition("@")[0],
        "max_silence": MAX_SILENCE,
        # A plain task holds a process by itself.
        "slots": slots,
        "max_counted": min(max(MIN_COUNTED, high * slots), MAX_COUNTED),
    }
    row: Any = execute(connection, DEMAND, values).fetchone()
    busy, ready = row.busy or {}, row.ready or {}
    bounds = tuple(row.bounds) if row.bounds else None
    servers = [Server(me, queues, busy.get(me, 0), slots * (bounds[0] if bounds else high))]
    for name, detail in (row.others or {}).items():
        limit = detail.get("slots", 1) * detail.get("max", detail.get("processes", 1))
        servers.append(Server(name, detail.get("queues", ()), busy.get(name, 0), limit))
    wanted = math.ceil(scaling.divide(ready, servers)[me] / slots)
    return Demand(sum(ready.values()), busy.get(me, 0), wanted, bounds)
