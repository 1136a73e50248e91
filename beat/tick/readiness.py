"""What is ready, asked by one statement: a step that has nothing to do is not entered.

The same answer says when something will be ready, so that an idle beat needs no second question.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg.rows import class_row

from beat.tick import schedule_states
from workers.db import Driver
from workers.ledger import finished, rescued, sent, stopped, waiting
from workers.ledger.look_through import LookThrough
from workers.settings import settings

#: Each line is answered by the index that its step reads.  ``now`` replaces the clock in tests.
STATEMENT = f"""
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), next as materialized (
    select case when coalesce((select paused from pause_switch where single), false) then null
                else ({schedule_states.NEXT_CLAIM}) end as claim_at,
           ({sent.NEXT_SEND}) as send_at, ({waiting.NEXT_PERMIT}) as permit_at,
           ({finished.NEXT_ENDED}) as ended_at, ({stopped.NEXT_STOP}) as stop_at,
           ({stopped.NEXT_DEADLINE}) as deadline_at, ({finished.NEXT_EXPIRY}) as expires_at,
           ({rescued.NEXT_LEASE}) as lease_until
)
select clock.now, claim_at, send_at, permit_at, ended_at, stop_at, deadline_at, expires_at,
       lease_until,
       case when ended_at is null then false else {finished.IS_FOLLOWED} end as followed,
       exists (select from schedule_edit) as edits,
       exists (select from run_request where answered_at is null) as requests,
       exists (select from run where state = 'held') as held,
       {sent.IS_LEFT.format(old="clock.now - %(resend)s::interval")} as is_left,
       array(select distinct queue
               from heartbeat cross join jsonb_array_elements_text(detail -> 'queues') as queue
              where role = 'worker' and not detail ?| array['slots', 'ended']
                and seen_at > clock.now - interval '30 seconds') as old_queues,
       exists (select from batch where state in ('waiting', 'sent') and waiting_for is not null
                                   and send_at is null) as parked
  from clock, next
"""  # noqa: S608 - constants of our own


@dataclass(frozen=True, slots=True)
class Ready:
    now: datetime
    #: The next due time to claim, None while everything is paused; the next message; the next permit.
    claim_at: datetime | None
    send_at: datetime | None
    permit_at: datetime | None
    #: When the first uncounted run ended, a stop was requested, a deadline passed, a run expired that
    #: had not begun, a lease ended.
    ended_at: datetime | None
    stop_at: datetime | None
    deadline_at: datetime | None
    expires_at: datetime | None
    lease_until: datetime | None
    #: Whether a schedule follows one of those that ended.
    followed: bool
    edits: bool
    requests: bool
    held: bool
    #: Whether batches were announced long ago that nobody has taken.
    is_left: bool
    #: Queues that a worker of an older release serves, which knows no doorbells.
    old_queues: list[str]
    parked: bool

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def stopping(self) -> bool:
        return self.stop_at is not None

    @property
    def overdue(self) -> bool:
        return self.by_now(self.deadline_at)

    @property
    def expired(self) -> bool:
        return self.by_now(self.expires_at)

    @property
    def lost(self) -> bool:
        return self.by_now(self.lease_until)

    def by_now(self, at: datetime | None, ago: timedelta = timedelta(0)) -> bool:
        return at is not None and at <= self.now - ago

    def seconds_until(self, at: datetime | None, default: float) -> float:
        return default if at is None else (at - self.now).total_seconds()


@dataclass(slots=True)
class Marks:
    """Where the ready scans begin: below its mark each found nothing that is live.

    The entries of rows that have changed stay in an index until they are vacuumed, and a snapshot that
    somebody holds open keeps all of them: without marks each tick would read every run since then.
    """

    claim: datetime | None = None
    send: datetime | None = None
    ended: datetime | None = None
    deadline: datetime | None = None
    expiry: datetime | None = None
    lease: datetime | None = None
    left: datetime | None = None
    _through: LookThrough = field(default_factory=LookThrough)

    def low(self) -> dict[str, datetime | None]:
        if self._through.begins():
            self.forget()
        names = ("claim", "send", "ended", "deadline", "expiry", "lease", "left")
        return {f"low_{name}": getattr(self, name) for name in names}

    def forget(self) -> None:
        self.claim = self.send = self.ended = self.deadline = None
        self.expiry = self.lease = self.left = None

    def note(self, ready: Ready) -> None:
        self._through.ends()
        before = ready.now - self._through.late
        # An edit, or the end of a pause, may plan for any time.
        steady = ready.claim_at is not None and not ready.edits
        self.claim = min(before, ready.claim_at or before) if steady else None
        self.send = min(before, ready.send_at or before)
        self.ended = min(before, ready.ended_at or before)
        self.deadline = min(before, ready.deadline_at or before)
        self.expiry = min(before, ready.expires_at or before)
        self.lease = min(before, ready.lease_until or before)
        if not ready.is_left:
            self.left = before - timedelta(seconds=settings().resend_after_seconds)


def ask(connection: Driver, now: datetime | None = None, marks: Marks | None = None) -> Ready:
    """One round trip: the database's clock and what is ready by it.

    Marks are of the database's clock: with another ``now`` all is looked through.
    """
    cursor = connection.cursor(row_factory=class_row(Ready))
    marks = marks or Marks()
    if now is not None:
        marks.forget()
    resend = timedelta(seconds=settings().resend_after_seconds)
    what = {"now": now, "resend": resend, **marks.low()}
    ready = cursor.execute(STATEMENT, what).fetchall()[0]
    if now is None:
        marks.note(ready)
    return ready
