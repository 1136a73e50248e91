"""What the `prices` commands read, by psycopg; a price schedule is stale after two of its intervals."""

from __future__ import annotations

from collections.abc import Sequence
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


#: A schedule that runs after another has the other's cadence.
_SCHEDULES = """
with recursive leads as (
    select name, name as leader from schedule where task like 'tasks.prices.%%' and enabled
    union
    select leads.name, s.after
      from leads join schedule s on s.name = leads.leader where s.after is not null
)
select s.name as schedule, schedule_words(s) as runs, now_ as now, last.last_good_run, first.at,
       s.paused_until > now_ or first.paused_until > now_
           or (select paused from pause_switch) as paused,
       due_times(first, coalesce(first.starts_at, now_), greatest(now_, first.starts_at), 'infinity',
                 %(ahead)s) as dues
  from leads
  join schedule s using (name)
  join schedule first on first.name = leads.leader and first.after is null
 cross join clock_timestamp() now_
  left join lateral (select created_at as last_good_run from run
                      where run.schedule = s.name and state in ('succeeded', 'partial')
                        and run_is_failure(run, s.alert_on_partial) is not true
                      order by created_at desc limit 1) last on true
 order by s.name
"""


#: The most urgent first; with true also removed symbols, at its end.
WATCHLIST = """
select * from watchlist_item where active or %s order by active desc, priority, symbol
"""
#: The newest quote of each symbol, from any source.
QUOTES = """
select distinct on (symbol) * from quote where %(symbols)s::text[] is null or symbol = any(%(symbols)s)
 order by symbol, session_date desc, fetched_at desc
"""


def states(connection: psycopg.Connection[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every enabled price schedule by name: what runs it, its last good run, and its state."""
    found = []
    for row in connection.execute(_SCHEDULES, {"ahead": LOOK_AHEAD}):
        last, at, now = row["last_good_run"], row["at"], row["now"]
        if at is None:
            stale = is_stale(last, cadence_of(row["dues"]), now)
        else:
            # It runs once.
            stale = at < now and (last is None or last < at)
        state = "paused" if row["paused"] else "STALE" if stale else "ok"
        shown = {name: row[name] for name in ("schedule", "runs", "last_good_run")}
        found.append({**shown, "state": state})
    return found
