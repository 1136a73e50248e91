"""Leases that are renewed while their worker works, or marked because their worker is about to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from workers.db import Driver, array, execute


class Lease(Protocol):
    """A batch as it was at its last claim, in whoever's hands."""

    @property
    def run_id(self) -> UUID | str: ...
    @property
    def seq(self) -> int: ...
    @property
    def fence(self) -> int: ...


#: Batches that a process has in hand, of several runs, which are not locked: all who change several
#: batches lock them in this order.  By key: the state is written so that no index of states is read.
MINE = """
with mine as materialized (
    select b.run_id, b.seq
      from unnest(%(ids)s::uuid[], %(seqs)s::int[], %(fences)s::int[]) as held(run_id, seq, fence)
      join batch b on b.run_id = held.run_id and b.seq = held.seq and b.fence = held.fence
     where b.state || '' = 'running' and b.run_id = any(%(ids)s::uuid[])
       and b.seq = any(%(seqs)s::int[])
     order by b.run_id, b.seq for no key update of b
)"""

#: All leases of a process in one statement; what a stop or a deadline asks comes back with it.
RENEW = f"""{MINE}
update batch b set lease_until = clock_timestamp() + %(length)s
  from mine join run r on r.id = mine.run_id
 where b.run_id = mine.run_id and b.seq = mine.seq
   and b.run_id = any(%(ids)s::uuid[]) and b.seq = any(%(seqs)s::int[]) and r.id = any(%(ids)s::uuid[])
returning b.run_id, b.seq, r.stop_requested_at is not null as stopping,
          r.deadline_at < clock_timestamp() as late
"""  # noqa: S608 - constants of our own


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal found: whether the lease is held, and whether the run should end."""

    held: bool
    stopping: bool = False
    late: bool = False


def keys(leases: Sequence[Lease]) -> dict[str, Any]:
    """What a statement on several batches binds."""
    return {
        "ids": array([lease.run_id for lease in leases]),
        "seqs": array([lease.seq for lease in leases]),
        "fences": array([lease.fence for lease in leases]),
    }


def renew(connection: Driver, leases: Sequence[Lease], length: timedelta) -> list[Renewal]:
    """Renew these leases; one that is lost is a row that is missing."""
    what = {"length": length, **keys(leases)}
    found = {
        (row.run_id, row.seq): Renewal(held=True, stopping=bool(row.stopping), late=bool(row.late))
        for row in execute(connection, RENEW, what)
    }
    return [found.get((lease.run_id, lease.seq), Renewal(held=False)) for lease in leases]


LEAVE = """
update batch b set leaving = true
  from (select run_id, seq from batch where state = 'running' and worker = %s and not leaving
         order by run_id, seq for no key update) mine
 where b.run_id = mine.run_id and b.seq = mine.seq
"""


def leave(connection: Driver, worker: str) -> None:
    """Note that ``worker`` is about to end: what it does not hand back in time is not its death."""
    execute(connection, LEAVE, (worker,))


def running(connection: Driver) -> list[tuple[UUID, int, int]]:
    """Run, number and fence of every batch that a worker has in hand."""
    found = connection.execute("select run_id, seq, fence from batch where state = 'running'")
    return found.fetchall()


def clock(connection: Driver) -> datetime:
    row = connection.execute("select clock_timestamp()").fetchall()[0]
    now: datetime = row[0]
    return now
