"""Batches that a session takes: candidates are read without a lock, then the chosen ones are leased.

Lock order is run, then batch: the runs in order of id, those that others have locked skipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, dict_row

from workers.db import DURABLE, Driver, array, execute
from workers.ledger.claimed import BatchLease
from workers.ledger.look_through import LookThrough


@dataclass(frozen=True, slots=True)
class Candidate:
    """A batch that is ready, as it was when it was read."""

    run_id: UUID
    seq: int
    task: str
    priority: int
    #: Upstream that it waited for, or that its kind calls most.
    upstream: str | None
    suspect: bool
    #: Its upstream serves nobody for longer than a worker waits: it is not taken.
    shut: bool
    #: Its run limits its batches in flight or their distance: it is claimed by itself.
    limited: bool
    #: Since when it is ready.
    send_at: datetime
    #: Seconds until its run is given up if nobody begins it; None: it never is, or has begun.
    expires_in: float | None = None

    @property
    def is_late(self) -> bool:
        return self.expires_in is not None and self.expires_in < 0

    @property
    def key(self) -> tuple[UUID, int]:
        return self.run_id, self.seq


@dataclass(slots=True)
class LowMark:
    """Where a process begins to read what is ready: all before it was taken.

    The entries of batches that were taken stay in the index until they are vacuumed, and a snapshot
    that somebody holds open keeps all of them.
    """

    low: datetime | None = None
    #: The last look found as many as it may: older ones of a lower priority may lie behind, but none
    #: before where the first of such looks began.
    was_cut: bool = False
    behind: datetime | None = None
    _through: LookThrough = field(default_factory=LookThrough)

    def begin(self) -> datetime | None:
        if self._through.begins():
            self.low = None
        return self.low

    def note(self, found: Sequence[Candidate], limit: int, began: datetime | None = None) -> None:
        """A look that ``began`` there found these."""
        is_cut = len(found) >= limit
        if is_cut and not self.was_cut:
            self.behind = began
        self.was_cut = is_cut
        self._through.ends()
        if found:
            self.low = min(one.send_at for one in found) - self._through.late


#: An upstream that serves nobody for longer than a worker waits, by what is known of it.
_SHUT = """
    select u.name from upstream u join upstream_state d on d.upstream = u.name
     where not u.enabled or d.blocked_until > statement_timestamp()
        or d.next_permit_at > statement_timestamp() + %(patience)s
"""

#: Below this mark everything was taken: dead entries of the index are passed by.
_SINCE = "and send_at >= coalesce(%(low)s::timestamptz, '-infinity')"

#: Pairs of queue and task with ready batches, found by skipping from one to the next.
_KINDS = """
with recursive found as (
    (select queue, task from batch where state = 'sent' {since} order by queue, task limit 1)
    union all
    select next.queue, next.task
      from found cross join lateral (
           select queue, task from batch
            where state = 'sent' {since} and (queue, task) > (found.queue, found.task)
            order by queue, task limit 1) next
), served as materialized (
    select found.queue, found.task, k.upstream, k.upstream in ({shut}) as shut
      from found left join task_kind k on k.name = found.task
     where found.queue = any(%(queues)s) and found.task = any(%(tasks)s)
)
""".replace("{shut}", _SHUT).replace("{since}", _SINCE)

#: Of each kind its first half of the limit comes first: others are seen behind one with very many.
#: What waits for an upstream was let go by beat, one for each free permit: it is taken.
_READY = f"""
        select run_id, seq, task, priority, send_at, waiting_for, suspect,
               row_number() over (order by priority desc, send_at) as nth from batch
         where state = 'sent' {_SINCE} and queue = served.queue and task = served.task
           and (not_before is null or not_before <= statement_timestamp())
"""  # noqa: S608 - constants of our own
_COLUMNS = """
select b.run_id, b.seq, b.task, b.priority, coalesce(b.waiting_for, served.upstream) as upstream,
       b.suspect, served.shut is true and b.waiting_for is null as shut,
       r.max_in_flight is not null or coalesce(r.batch_delay > interval '0', false) as limited,
       b.send_at, case when r.state = 'due'
                       then extract(epoch from r.expires_at - statement_timestamp())::float8
                  end as expires_in
"""

CANDIDATES = f"""{_KINDS}{_COLUMNS}
  from served cross join lateral ({_READY}
         order by priority desc, send_at limit %(limit)s) b
  join run r on r.id = b.run_id
 order by shut, b.nth > %(limit)s / 2, b.priority desc, b.send_at limit %(limit)s
"""

#: Behind a run with very many batches, others come to their turn too.
OTHER_RUNS = f"""{_KINDS}{_COLUMNS}
  from served cross join lateral ({_READY} and run_id <> all(%(runs)s::uuid[])
         order by priority desc, send_at limit %(limit)s) b
  join run r on r.id = b.run_id
 order by shut, b.nth > %(limit)s / 2, b.priority desc, b.send_at limit %(limit)s
"""

#: The newest of the highest priority.
NEWEST = f"""{_KINDS}{_COLUMNS}
  from served cross join lateral (
       select priority from batch
        where state = 'sent' {_SINCE} and queue = served.queue and task = served.task
        order by priority desc, send_at limit 1) highest cross join lateral (
       select run_id, seq, task, priority, send_at, waiting_for, suspect from batch
        where state = 'sent' and queue = served.queue and task = served.task
          and priority = highest.priority
          and (not_before is null or not_before <= statement_timestamp())
        order by send_at desc limit %(limit)s) b
  join run r on r.id = b.run_id
 order by shut, b.priority desc, b.send_at desc limit %(limit)s
"""  # noqa: S608


def _asked(
    queues: Sequence[str],
    tasks: Sequence[str],
    limit: int,
    patience: float,
    low: datetime | None = None,
) -> dict[str, Any]:
    return {
        "queues": list(queues),
        "tasks": list(tasks),
        "limit": limit,
        "patience": timedelta(seconds=patience),
        "low": low,
    }


def candidates(
    connection: Driver,
    queues: Sequence[str],
    tasks: Sequence[str],
    limit: int,
    patience: float,
    *,
    besides: Sequence[UUID] = (),
    low: datetime | None = None,
) -> list[Candidate]:
    """Ready batches of these queues and kinds, the most urgent and oldest first.

    ``low``: none is ready since before that.  Shut is what would wait longer than ``patience``
    (seconds) for its kind's upstream.
    """
    what = _asked(queues, tasks, limit, patience, low)
    statement = OTHER_RUNS if besides else CANDIDATES
    return execute(
        connection, statement, {**what, "runs": array(besides)}, class_row(Candidate)
    ).fetchall()


def newest(
    connection: Driver, queues: Sequence[str], tasks: Sequence[str], limit: int, patience: float
) -> list[Candidate]:
    """The same, but the most urgent alone, and the newest first."""
    what = _asked(queues, tasks, limit, patience)
    return execute(connection, NEWEST, what, class_row(Candidate)).fetchall()


#: What is not taken because its upstream is shut waits for it, as if a worker had been refused.
PARK_SHUT = f"""{_KINDS}, ready as materialized (
    select b.run_id, b.seq, served.upstream
      from served cross join lateral (
           select run_id, seq from batch
            where state = 'sent' {_SINCE} and queue = served.queue and task = served.task
              and waiting_for is null
              and (not_before is null or not_before <= statement_timestamp())
            order by priority desc, send_at limit %(limit)s
              for no key update skip locked) b
     where served.shut
)
update batch b set state = 'waiting', waiting_for = ready.upstream, send_at = null, sends = 0,
       updated_at = clock_timestamp()
  from ready where b.run_id = ready.run_id and b.seq = ready.seq
"""  # noqa: S608


def park_shut(
    connection: Driver, queues: Sequence[str], tasks: Sequence[str], limit: int, patience: float
) -> int:
    return execute(connection, PARK_SHUT, _asked(queues, tasks, limit, patience)).rowcount


#: A run that somebody has locked is left for the next time; one that has ended meanwhile is not found.
#: All by key: states are written so that no index of states is read, and keys so that a plan that is
#: made while the tables are known to be empty reads neither from end to end.
TAKE = f"""
with given as (
    select * from unnest(%(ids)s::uuid[], %(seqs)s::int[]) as g(run_id, seq)
), locked as materialized (
    select r.* from run r
     where r.id = any(%(ids)s::uuid[]) and r.state || '' in ('due', 'running')
       and (r.state = 'running' or r.expires_at is null or r.expires_at >= statement_timestamp())
     order by r.id for no key update skip locked
), claimed as (
    update batch b
       set state = 'running', fence = b.fence + 1, worker = %(worker)s, sends = 0, send_at = null,
           waiting_for = null, leaving = false, alone = %(alone)s,
           lease_until = statement_timestamp() + %(lease)s,
           started_at = coalesce(b.started_at, statement_timestamp()),
           updated_at = statement_timestamp()
      from given join locked on locked.id = given.run_id
     where b.run_id = given.run_id and b.seq = given.seq and b.state || '' in ('waiting', 'sent')
       and b.run_id = any(%(ids)s::uuid[]) and b.seq = any(%(seqs)s::int[])
       and (b.not_before is null or b.not_before <= statement_timestamp())
       and (b.waiting_for is null or b.send_at is not null)
    returning b.run_id, b.seq, b.fence, b.attempt, b.items
), started as (
    update run
       set state = 'running', started_at = coalesce(started_at, statement_timestamp()),
           deadline_at = coalesce(deadline_at, statement_timestamp() + timeout)
     where id = any(array(select run_id from claimed)) and state || '' in ('due', 'running')
       and (state = 'due' or started_at is null)
)
select claimed.seq as batch_seq, claimed.fence as batch_fence, claimed.attempt as batch_attempt,
       claimed.items as batch_items, statement_timestamp() as now, locked.*, {DURABLE}
  from claimed join locked on locked.id = claimed.run_id
"""  # noqa: S608


def take(
    connection: Driver,
    chosen: Sequence[tuple[UUID, int]],
    worker: str,
    length: timedelta,
    *,
    alone: bool,
) -> list[BatchLease]:
    """Lease those of these batches that are still ready, in one statement of its own."""
    what = {
        "ids": array([run_id for run_id, _ in chosen]),
        "seqs": array([seq for _, seq in chosen]),
        "worker": worker,
        "lease": length,
        "alone": alone,
    }
    return [_lease(row) for row in execute(connection, TAKE, what, dict_row)]


def _lease(row: Mapping[str, Any]) -> BatchLease:
    now: datetime = row["now"]
    return BatchLease(
        row["id"],
        row["batch_seq"],
        row["batch_fence"],
        row["batch_attempt"],
        row,
        row["batch_items"],
        now,
    )
