"""What is ready, asked by one statement: a step that has nothing to do is not entered.

The same answer says when something will be ready, so that an idle beat needs no second question.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from beat.tick import schedule_states
from workers.db import Driver
from workers.ledger import sent, waiting

#: Each line is answered by the index that its step reads.  ``now`` replaces the clock in tests.
STATEMENT = f"""
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), next as materialized (
    select case when coalesce((select paused from pause_switch where single), false) then null
                else ({schedule_states.NEXT_CLAIM}) end as claim_at,
           ({sent.NEXT_SEND}) as send_at, ({waiting.NEXT_PERMIT}) as permit_at
)
select clock.now, claim_at, send_at, permit_at,
       exists (select from schedule_edit) as edits,
       exists (select from run_request where answered_at is null) as requests,
       exists (select from run where finished_at is not null and not counted) as ended,
       exists (select from run where state = 'held') as held,
       exists (select from batch where state = 'sent') as announced,
       array(select distinct queue
               from heartbeat cross join jsonb_array_elements_text(detail -> 'queues') as queue
              where role = 'worker' and not detail ?| array['slots', 'ended']
                and seen_at > clock.now - interval '30 seconds') as old_queues,
       exists (select from batch where state in ('waiting', 'sent') and waiting_for is not null
                                   and send_at is null) as parked,
       exists (select from run where state in ('due', 'running', 'held')
                                 and stop_requested_at is not null) as stopping,
       exists (select from run where state in ('due', 'running') and deadline_at is not null
                                 and deadline_at < clock.now) as overdue,
       exists (select from batch where state = 'running' and lease_until < clock.now) as lost
  from clock, next
"""  # noqa: S608 - constants of our own


@dataclass(frozen=True, slots=True)
class Ready:
    now: datetime
    #: The next due time to claim, None while everything is paused; the next message; the next permit.
    claim_at: datetime | None
    send_at: datetime | None
    permit_at: datetime | None
    edits: bool
    requests: bool
    ended: bool
    held: bool
    #: Whether batches are announced that nobody has taken.
    announced: bool
    #: Queues that a worker of an older release serves, which knows no doorbells.
    old_queues: list[str]
    parked: bool
    stopping: bool
    overdue: bool
    lost: bool

    def by_now(self, at: datetime | None) -> bool:
        return at is not None and at <= self.now

    def seconds_until(self, at: datetime | None, default: float) -> float:
        return default if at is None else (at - self.now).total_seconds()


def ask(connection: Driver, now: datetime | None = None) -> Ready:
    """One round trip: the database's clock and what is ready by it."""
    cursor = connection.cursor(row_factory=class_row(Ready))
    return cursor.execute(STATEMENT, {"now": now}).fetchall()[0]
