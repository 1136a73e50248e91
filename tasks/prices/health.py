"""Do the price schedules keep their pace?  Stale: never ran, or not within two of its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, text

#: A schedule's longest pause is looked for among so many due times (a month of weekdays).
LOOK_AHEAD = 25
#: Cadence of what has no two due times to come.
USUAL = timedelta(days=1)
#: So many intervals may pass before a schedule counts as stale: one run may be late or fail.
INTERVALS = 2


def is_stale(last_run_at: datetime | None, cadence: timedelta, now: datetime) -> bool:
    """Whether a job that should run every ``cadence`` has not for twice as long, or never."""
    return last_run_at is None or now - last_run_at > INTERVALS * cadence


def cadence_of(dues: Sequence[datetime]) -> timedelta:
    """The longest pause between two due times in a row."""
    return max((later - earlier for earlier, later in pairwise(dues)), default=USUAL)


@dataclass(frozen=True, slots=True)
class Pace:
    """One enabled price schedule; what is paused is not expected to keep it."""

    schedule: str
    runs: str
    last_run_at: datetime | None
    paused: bool
    stale: bool


#: What runs after another has its pace.
_SCHEDULES = text("""
with recursive leads as (
    select name, name as leader from schedule where task like 'tasks.prices.%' and enabled
    union
    select leads.name, s.after
      from leads join schedule s on s.name = leads.leader where s.after is not null
)
select s.name, schedule_words(s) as runs, now_ as now, last.last_run_at, first.at,
       s.paused_until > now_ or first.paused_until > now_
           or (select paused from pause_switch) as paused,
       due_times(first, coalesce(first.starts_at, now_), greatest(now_, first.starts_at), 'infinity',
                 cast(:ahead as integer)) as dues
  from leads
  join schedule s using (name)
  join schedule first on first.name = leads.leader and first.after is null
 cross join clock_timestamp() now_
  left join lateral (select created_at as last_run_at from run
                      where run.schedule = s.name and state in ('succeeded', 'partial')
                        and run_is_failure(run, s.alert_on_partial) is not true
                      order by created_at desc limit 1) last on true
 order by s.name
""")


def paces(connection: Connection) -> Sequence[Pace]:
    """Every enabled price schedule, by name."""
    found = []
    for row in connection.execute(_SCHEDULES, {"ahead": LOOK_AHEAD}):
        if row.at is not None:
            # It runs once: late when its time has come and it has not.
            ran = row.last_run_at is not None and row.last_run_at >= row.at
            stale = row.at < row.now and not ran
        else:
            stale = is_stale(row.last_run_at, cadence_of(row.dues), row.now)
        paused = bool(row.paused)
        found.append(Pace(row.name, row.runs, row.last_run_at, paused, stale and not paused))
    return found
