"""Which price schedules are stale: never ran, or not within two of their intervals.

Only a command reads this, so it goes through psycopg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg

#: Due times among which a schedule's longest pause is looked for (a month of weekdays).
LOOK_AHEAD = 25
#: For a schedule with fewer than two due times to come.
DEFAULT_CADENCE = timedelta(days=1)
#: One run may be late or fail before a schedule counts as stale.
MAX_INTERVALS = 2


def is_stale(last_run_at: datetime | None, cadence: timedelta, now: datetime) -> bool:
    return last_run_at is None or now - last_run_at > MAX_INTERVALS * cadence


def cadence_of(dues: Sequence[datetime]) -> timedelta:
    return max((later - earlier for earlier, later in pairwise(dues)), default=DEFAULT_CADENCE)


@dataclass(frozen=True, slots=True)
class Pace:
    """One enabled price schedule; a paused one is not stale."""

    schedule: str
    runs: str
    last_run_at: datetime | None
    paused: bool
    stale: bool


#: A schedule that runs after another has the other's cadence.
_SCHEDULES = """
with recursive leads as (
    select name, name as leader from schedule where task like 'tasks.prices.%%' and enabled
    union
    select leads.name, s.after
      from leads join schedule s on s.name = leads.leader where s.after is not null
)
select s.name, schedule_words(s) as runs, now_ as now, last.last_run_at, first.at,
       s.paused_until > now_ or first.paused_until > now_
           or (select paused from pause_switch) as paused,
       due_times(first, coalesce(first.starts_at, now_), greatest(now_, first.starts_at), 'infinity',
                 %(ahead)s) as dues
  from leads
  join schedule s using (name)
  join schedule first on first.name = leads.leader and first.after is null
 cross join clock_timestamp() now_
  left join lateral (select created_at as last_run_at from run
                      where run.schedule = s.name and state in ('succeeded', 'partial')
                        and run_is_failure(run, s.alert_on_partial) is not true
                      order by created_at desc limit 1) last on true
 order by s.name
"""


def paces(connection: psycopg.Connection[dict[str, Any]]) -> Sequence[Pace]:
    found = []
    for row in connection.execute(_SCHEDULES, {"ahead": LOOK_AHEAD}):
        last, at, now = row["last_run_at"], row["at"], row["now"]
        if at is None:
            late = is_stale(last, cadence_of(row["dues"]), now)
        else:
            # It runs once.
            late = at < now and (last is None or last < at)
        paused = bool(row["paused"])
        found.append(Pace(row["name"], row["runs"], last, paused, late and not paused))
    return found
