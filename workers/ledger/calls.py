"""Messages of plain Celery tasks: each is its own run, claimed and ended around what Celery does.

Claim and end are one statement each, and lock the run before its batch, like all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from workers.backoff import backoff
from workers.connections import places
from workers.db import DURABLE, Driver, array, execute
from workers.ledger import finished, runs
from workers.ledger.handed_back import INITIAL_BACKOFF, MAX_BACKOFF
from workers.settings import settings


@dataclass(frozen=True, slots=True)
class Call:
    """A plain task's run in the hands of a worker: valid only while ``fence`` is its batch's."""

    run_id: UUID
    schedule: str | None
    fence: int
    attempt: int
    max_attempts: int
    #: It is all of its run.
    seq: int = 0

    @property
    def key(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "seq": self.seq, "fence": self.fence}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call.

    ``state``: succeeded, failed, stopped; retry: Celery has sent its own message for ``at``; again: the
    ledger sends one after ``wait`` (None: the message goes back to its queue, and nothing has failed).
    """

    state: str
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    traceback: str | None = None
    reason: str | None = None
    at: datetime | None = None
    wait: timedelta | None = None

    @property
    def is_end(self) -> bool:
        return self.state not in {"retry", "again"}


#: Rows are found by their keys: states are written so that no index of states is read, however small it
#: looks.  A message of retry n + 1 proves that attempt n has ended, also before that is written.
CLAIM = f"""
with this as materialized (
    select id, schedule, max_attempts from run
     where id = %(run_id)s and state || '' in ('due', 'running') and stop_requested_at is null
       and (started_at is not null or expires_at is null or expires_at >= clock_timestamp())
       for update
), claimed as (
    update batch b
       set state = 'running', fence = b.fence + 1, worker = %(worker)s, sends = 0, send_at = null,
           leaving = false, alone = %(alone)s, retries = %(retries)s, not_before = null,
           updated_at = clock_timestamp(), lease_until = clock_timestamp() + %(lease)s,
           started_at = coalesce(b.started_at, clock_timestamp())
      from this
     where b.run_id = this.id and b.seq = 0 and b.plain
       and (b.state || '' in ('waiting', 'sent') and b.retries = %(retries)s
            and (b.retries > 0 or b.not_before is null or b.not_before <= clock_timestamp())
            or b.state || '' = 'running' and b.retries + 1 = %(retries)s)
    returning b.fence, b.attempt
), started as (
    update run
       set state = 'running', started_at = coalesce(started_at, clock_timestamp()),
           deadline_at = coalesce(deadline_at, clock_timestamp() + timeout)
     where id = %(run_id)s and (state || '' = 'due' or started_at is null)
       and exists (select from claimed)
)
select schedule, fence, attempt, max_attempts, {DURABLE} from this, claimed
"""  # noqa: S608


def claim(
    connection: Driver, run_id: UUID, worker: str, length: timedelta, retries: int
) -> Call | None:
    """Lease the run to ``worker``; None when another copy of the message has it, or it has ended."""
    # A process of a prefork pool has one message in hand; those of other pools may have many.
    what = {"run_id": run_id, "worker": worker, "lease": length, "retries": retries,
            "alone": places.is_of_pool()}  # fmt: skip
    row = execute(connection, CLAIM, what).fetchone()
    return row and Call(run_id, row.schedule, row.fence, row.attempt, row.max_attempts)


OPTIONS = "select r.options, b.retries from run r join batch b on b.run_id = r.id where r.id = %s"


def options_of(connection: Driver, run_id: UUID) -> tuple[dict[str, Any], int]:
    """Arguments and retries so far of a run, for one that is worked on without a message."""
    row: Any = execute(connection, OPTIONS, (run_id,)).fetchone()
    return row.options, row.retries


def give_up_late(connection: Driver, run_id: UUID) -> None:
    """End a run that was not claimed because its time to start is over."""
    run = runs.lock(connection, run_id)
    if run is None or run["state"] != "due" or run["expires_at"] is None:
        return
    if run["expires_at"] < run["now"]:
        late = run["now"] - run["due_at"]
        finished.give_up(connection, run_id, "expired", finished.not_started(late))


def _ended(whose: str) -> str:
    return f"""
with this as materialized (select id from run where id = %(run_id)s for update), ended as (
    update batch b
       set state = case %(state)s::text when 'succeeded' then 'done' else %(state)s end,
           error = %(error)s, total = 1, done = (%(state)s = 'succeeded')::int,
           failed = (%(state)s <> 'succeeded')::int, lease_until = null, send_at = null,
           finished_at = clock_timestamp(), updated_at = clock_timestamp()
      from this
     where b.run_id = this.id and b.seq = 0 and b.plain and {whose}
    returning b.run_id
)
update run
   set state = %(state)s, total = 1, done = (%(state)s = 'succeeded')::int,
       failed = (%(state)s <> 'succeeded')::int, open_batches = 0, result = %(result)s,
       error = %(error)s, traceback = %(traceback)s, reason = coalesce(reason, %(reason)s),
       finished_at = clock_timestamp()
  from ended where id = ended.run_id
returning {DURABLE}
"""  # noqa: S608 - a constant of our own


END = _ended("b.fence = %(fence)s and b.state || '' = 'running'")

#: The same of many; the runs are locked in order, and rows are read by the list of keys alone.
END_ALL = f"""
with given as (
    select * from jsonb_to_recordset(%(ends)s)
      as g(run_id uuid, fence int, state text, result jsonb, error text, traceback text, reason text)
), locked as materialized (
    select id from run where id = any(%(ids)s::uuid[]) order by id for update
), ended as (
    update batch b
       set state = case given.state when 'succeeded' then 'done' else given.state end,
           error = given.error, total = 1, done = (given.state = 'succeeded')::int,
           failed = (given.state <> 'succeeded')::int, lease_until = null, send_at = null,
           finished_at = clock_timestamp(), updated_at = clock_timestamp()
      from given join locked on locked.id = given.run_id
     where b.run_id = any(%(ids)s::uuid[]) and b.seq = 0 and b.plain
       and b.run_id = given.run_id and b.fence = given.fence
       and b.state || '' = 'running'
    returning b.run_id
)
update run r
   set state = given.state, total = 1, done = (given.state = 'succeeded')::int,
       failed = (given.state <> 'succeeded')::int, open_batches = 0, result = given.result,
       error = given.error, traceback = given.traceback, reason = coalesce(r.reason, given.reason),
       finished_at = clock_timestamp()
  from given join ended on ended.run_id = given.run_id
 where r.id = any(%(ids)s::uuid[]) and r.id = given.run_id
returning r.id, {DURABLE}
"""  # noqa: S608

#: Celery's message of the retry is on its way: looked for later, as any that was sent.
RETRY = """
update batch
   set state = 'sent', retries = retries + 1, error = %(error)s, not_before = %(at)s, sends = 1,
       send_at = greatest(%(at)s, clock_timestamp()) + %(after)s * interval '1 second',
       lease_until = null, updated_at = clock_timestamp()
 where run_id = %(run_id)s and seq = 0 and fence = %(fence)s and state || '' = 'running'
"""

AGAIN = """
update batch
   set state = 'waiting', attempt = attempt + %(failures)s, error = %(error)s, lease_until = null,
       retries = case when %(failures)s > 0 then 0 else retries end,
       not_before = clock_timestamp() + %(wait)s::interval,
       send_at = clock_timestamp() + coalesce(%(wait)s::interval, %(after)s * interval '1 second'),
       updated_at = clock_timestamp()
 where run_id = %(run_id)s and seq = 0 and fence = %(fence)s and state || '' = 'running'
"""


def wait_after(failures: int) -> timedelta:
    """How long a run waits after so many failures, before the ledger sends it again."""
    return timedelta(seconds=backoff(failures, INITIAL_BACKOFF, MAX_BACKOFF, jitter=(0.8, 1.2)))


def end(connection: Driver, ends: Sequence[tuple[Call, Outcome]]) -> set[UUID]:
    """Write what became of calls; returns the runs written: of others the lease was lost."""
    if len(ends) == 1:
        ((call, outcome),) = ends
        what = _said(call, outcome) | {"result": Jsonb(outcome.result)}
        return {call.run_id} if execute(connection, END, what).rowcount else set()
    rows = [_said(*one) for one in sorted(ends, key=lambda one: one[0].run_id)]
    what = {"ends": Jsonb(rows), "ids": array([call.run_id for call, _ in ends])}
    return {row.id for row in execute(connection, END_ALL, what)}


def failure(call: Call, error: str, traceback: str | None = None) -> Outcome:
    """A failed attempt: the run has another one, or has failed."""
    if call.attempt + 1 < call.max_attempts:
        return Outcome("again", error=error, wait=wait_after(call.attempt + 1))
    return Outcome("failed", error=error, traceback=traceback)


HELD = """
select r.schedule, b.fence, b.attempt, r.max_attempts from batch b join run r on r.id = b.run_id
 where b.run_id = %(run_id)s and b.seq = 0 and b.plain and b.state || '' = 'running'
   and b.worker = any(%(workers)s)
"""


def held_by(connection: Driver, run_id: UUID, workers: Sequence[str]) -> Call | None:
    """The call, if one of these workers has it in hand."""
    row = execute(connection, HELD, {"run_id": run_id, "workers": [*workers]}).fetchone()
    return row and Call(run_id, row.schedule, row.fence, row.attempt, row.max_attempts)


def _said(call: Call, outcome: Outcome) -> dict[str, Any]:
    return {
        "run_id": str(call.run_id),
        "fence": call.fence,
        "state": outcome.state,
        "result": outcome.result,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "reason": outcome.reason,
    }


def go_on(connection: Driver, call: Call, outcome: Outcome) -> bool:
    """Write that the call is to be worked on again; False when its lease was lost."""
    what = {**call.key, "error": outcome.error, "after": settings().resend_after_seconds}
    if outcome.state == "retry":
        return execute(connection, RETRY, {**what, "at": outcome.at}).rowcount > 0
    failed = {"wait": outcome.wait, "failures": int(outcome.wait is not None)}
    done = execute(connection, AGAIN, {**what, **failed}).rowcount > 0
    connection.execute("notify watchkeeper, 'batch'")
    return done


CLOSE = _ended("b.state || '' in ('waiting', 'sent', 'running')")


def close(connection: Driver, run_id: UUID, state: str, error: str) -> bool:
    """End the run of a message whose process or message is no more; False when it has ended."""
    what = {"run_id": run_id, "state": state, "error": error, "reason": error}
    return execute(connection, CLOSE, {**what, "result": None, "traceback": None}).rowcount > 0


#: Not when it was written after all, and only the answer was lost.
NOTE_LOST = """
update run set reason = concat_ws('; ', reason, %(note)s::text)
 where id = %(run_id)s
   and not (state = %(state)s and exists (select from batch where run_id = %(run_id)s and seq = 0
                                             and fence = %(fence)s))
"""


def note_lost(connection: Driver, call: Call, state: str, note: str) -> bool:
    """Say in the run that a worker went on after its lease was lost; False when it was not."""
    what = {**call.key, "state": state, "note": note}
    return execute(connection, NOTE_LOST, what).rowcount > 0


#: A message that nobody can work on, and that no run stands for, has a failed one.
CREATE_FAILED = """
insert into run (id, task, options, trigger, due_at, state, queue, error, finished_at, requested_by)
values (%(run_id)s, %(task)s, %(options)s::jsonb, 'manual', clock_timestamp(), 'failed', '', %(error)s,
        clock_timestamp(), 'a message')
on conflict do nothing
"""

#: The run of a schedule goes on: its message is sent again, perhaps to a worker that knows the task.
NOTE_UNKNOWN = """
update batch set error = %(error)s
 where run_id = %(run_id)s and seq = 0 and state in ('waiting', 'sent')
"""


def note_unreadable(connection: Driver, run_id: UUID, task: str, options: str, error: str) -> None:
    """Keep a message that a worker cannot work on."""
    what = {"run_id": run_id, "task": task, "options": options, "error": error}
    if not execute(connection, CREATE_FAILED, what).rowcount:
        execute(connection, NOTE_UNKNOWN, what)
