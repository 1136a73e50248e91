"""How many batches of a run are in flight, and how far apart they start.

The caller has locked the run, so the count is exact.  A batch over ``max_in_flight``, or too soon after
the one before, is put back; ``let_go`` sends the next ones as others end.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from workers.db import Driver, array, execute

#: How many more batches of run ``r`` may go (null: any number).  `max_in_flight` is decided here.
ROOM = """
case when r.max_in_flight is not null then greatest(0, r.max_in_flight - (
    select count(*) from batch f
     where f.run_id = r.id and f.seq > 0
       and (f.state in ('running', 'sent') or f.state = 'waiting' and f.send_at is not null))) end
"""

LET_GO = f"""
update batch b set send_at = greatest(b.not_before, clock_timestamp())
  from (select r.id, next.seq
          from run r
          cross join lateral (
               select seq from batch
                where run_id = r.id and state = 'waiting' and send_at is null and waiting_for is null
                  and seq > 0
                order by seq limit {ROOM}) next
         where r.id = any(%(ids)s::uuid[])) turn
 where b.run_id = turn.id and b.seq = turn.seq
"""  # noqa: S608 - constants of our own

PUT_BACK = """
update batch set state = 'waiting', sends = 0, send_at = null, waiting_for = null,
       updated_at = clock_timestamp()
 where run_id = %(run_id)s and seq = %(seq)s and state in ('waiting', 'sent')
   and (select count(*) from batch where run_id = %(run_id)s and state = 'running') >= %(max)s
"""

PUT_OFF = """
update batch b
   set state = 'waiting', sends = 0, not_before = last.at + %(delay)s, send_at = last.at + %(delay)s,
       waiting_for = null, updated_at = clock_timestamp()
  from (select max(started_at) as at from batch where run_id = %(run_id)s and seq > 0) last
 where b.run_id = %(run_id)s and b.seq = %(seq)s and b.state in ('waiting', 'sent')
   and b.started_at is null and last.at + %(delay)s > %(now)s
"""


def let_go(connection: Driver, run: Mapping[str, Any] | None) -> None:
    if run is not None and run["max_in_flight"] is not None:
        let_go_all(connection, [run["id"]])


def let_go_all(connection: Driver, ids: list[Any]) -> None:
    if execute(connection, LET_GO, {"ids": array(ids)}).rowcount:
        connection.execute("notify watchkeeper, 'batch'")


def put_back(connection: Driver, run: Mapping[str, Any], seq: int, delay: timedelta) -> bool:
    """Whether the batch may not start now; it then waits until it may."""
    if seq == 0:
        return False
    if run["batch_delay"] is not None:
        delay = run["batch_delay"]
    what = {
        "run_id": run["id"],
        "seq": seq,
        "max": run["max_in_flight"],
        "delay": delay,
        "now": run["now"],
    }
    if run["max_in_flight"] is not None and execute(connection, PUT_BACK, what).rowcount:
        return True
    return delay > timedelta(0) and execute(connection, PUT_OFF, what).rowcount > 0
