"""From an edited row to its next due time: the arithmetic (pure) and the rows it reads."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from beat.time.timetable import MICROSECOND, Sessions, Span, Timing, jittered, next_due, span

#: Columns of schedule and schedule_state that a plan or a claim is made from.
COLUMNS = """
s.name, s.revision, s.task, s.every, s.cron, s.at, s.after, s.timezone, s.calendar, s.calendar_hours,
s.starts_at, s.ends_at, s.jitter, s.overlap, s.catch_up, s.catch_up_window, s.expires, s.max_runs,
s.enabled,
s.pause_after_failures, s.paused_until = 'infinity' as paused_for_good,
case when isfinite(s.paused_until) then s.paused_until end as paused_until,
k.name as kind, k.max_running,
(select paused from pause_switch where single) as paused_all,
st.planned_revision, st.anchor_at, st.next_run_at, st.claim_at, st.last_due_at, st.runs_counted,
st.consecutive_failures, st.tripped_at, st.ctid::text as place
"""

#: A row with ``at`` may be saved so late after its time and still run (typing takes time).
AT_GRACE = timedelta(seconds=60)

Row = Any


@dataclass(frozen=True, slots=True)
class Planned:
    """Where a schedule stands after planning; ``lost`` are due times that the edit made void."""

    anchor_at: datetime | None
    next_run_at: datetime | None
    claim_at: datetime | None
    lost: Span | None = None


def timing_of(row: Row, sessions: Sessions | None) -> Timing:
    """The columns of ``row`` that say when it is due; ValueError when its task does not exist."""
    if row.kind is None:
        raise ValueError(f"there is no task named {row.task}")
    return Timing(
        row.name,
        row.every,
        row.cron,
        row.at,
        row.timezone,
        row.starts_at,
        row.ends_at,
        row.jitter,
        sessions,
        row.calendar_hours == "session",
    )


def claim_time(timing: Timing, anchor: datetime | None, due: datetime | None) -> datetime | None:
    if due is None or timing.jitter is None:
        return due
    return jittered(timing, due, next_due(timing, anchor, due))


def plan(row: Row, timing: Timing, now: datetime) -> Planned:
    """The next due time after an edit: never in the past, whatever the row was before.

    What was already due and is still a due time of the row stays due: an edit of a note loses nothing.
    """
    is_new = row.planned_revision is None and row.last_due_at is None
    anchor = row.starts_at or row.last_due_at or row.anchor_at or now
    pending = row.next_run_at if row.next_run_at is not None and row.next_run_at <= now else None
    for_good = row.paused_for_good or row.paused_all
    paused = for_good or (row.paused_until is not None and row.paused_until > now)
    spent = row.max_runs is not None and row.runs_counted >= row.max_runs
    # An edit ends an automatic pause; what plans anew without one (pause_all, sessions) does not.
    tripped = row.tripped_at is not None and row.planned_revision == row.revision
    if not row.enabled or row.after is not None or for_good or spent or tripped:
        return Planned(anchor, None, None, _lost(timing, anchor, pending, now))
    if pending and not paused and _is_due(timing, anchor, pending):
        return Planned(anchor, pending, claim_time(timing, anchor, pending))
    begin = now
    if paused:
        # Not a moment earlier; what is due when the pause ends runs.
        begin = row.paused_until - MICROSECOND
    elif row.at is not None and row.last_due_at != row.at:
        begin -= AT_GRACE
    elif is_new:
        begin -= MICROSECOND
    due = next_due(timing, anchor, begin)
    return Planned(anchor, due, claim_time(timing, anchor, due), _lost(timing, anchor, pending, now))


def _is_due(timing: Timing, anchor: datetime, at: datetime) -> bool:
    return next_due(timing, anchor, at - MICROSECOND) == at


def _lost(timing: Timing, anchor: datetime, pending: datetime | None, now: datetime) -> Span | None:
    """What came due since ``pending`` and was not claimed; of an older timing only that is known."""
    if pending is None:
        return None
    if _is_due(timing, anchor, pending):
        return span(timing, anchor, pending, now)
    return Span(pending, pending, 1, None)
