"""How many batches of a run go at once, and how far apart (table `batch`): its columns may be edited.

The run is locked by whoever asks, so that the answer is exact: a batch over ``max_in_flight`` or too
soon after the one before is put back, and let go when its turn has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

_PUT_BACK = text("""
update batch set state = 'waiting', sends = 0, send_at = null, waiting_for = null,
       updated_at = clock_timestamp()
 where run_id = :run_id and seq = :seq and state in ('waiting', 'sent')
   and (select count(*) from batch where run_id = :run_id and state = 'running') >= :most
returning seq
""")

_TOO_SOON = text("""
update batch b
   set state = 'waiting', sends = 0, not_before = last.at + :delay, send_at = last.at + :delay,
       waiting_for = null, updated_at = clock_timestamp()
  from (select max(started_at) as at from batch where run_id = :run_id and seq > 0) last
 where b.run_id = :run_id and b.seq = :seq and b.state in ('waiting', 'sent') and b.started_at is null
   and last.at + :delay > :now
returning b.seq
""")


def hold_back(connection: Connection, run: Mapping[str, Any], seq: int, delay: timedelta) -> bool:
    """Whether the batch may not start now; it is then put back until it may.  The run is locked."""
    if seq == 0:
        return False
    where = {"run_id": run["id"], "seq": seq}
    if run["max_in_flight"] is not None:
        most = {"most": run["max_in_flight"]}
        if connection.execute(_PUT_BACK, {**where, **most}).first() is not None:
            return True
    if run["batch_delay"] is not None:
        delay = run["batch_delay"]
    if delay <= timedelta(0):
        return False
    when = {"delay": delay, "now": run["now"]}
    return connection.execute(_TOO_SOON, {**where, **when}).first() is not None


_LET_GO = text("""
update batch b set send_at = coalesce(b.not_before, clock_timestamp())
  from (select seq from batch
         where run_id = :run_id and state = 'waiting' and send_at is null and waiting_for is null
         order by seq
         limit greatest(0, :most - (
            select count(*) from batch
             where run_id = :run_id and seq > 0
               and (state in ('running', 'sent') or state = 'waiting' and send_at is not null)))) turn
 where b.run_id = :run_id and b.seq = turn.seq
returning b.seq
""")

#: Stands for "any number" where a number is needed.
ANY_NUMBER = 1_000_000


def let_go(connection: Connection, run: Mapping[str, Any] | None) -> None:
    """Let as many batches go as ``max_in_flight`` allows; the run is locked."""
    if run is None or run["max_in_flight"] is None:
        return
    parameters = {"run_id": run["id"], "most": run["max_in_flight"]}
    if connection.execute(_LET_GO, parameters).first() is not None:
        connection.execute(text("notify watchkeeper, 'batch'"))
