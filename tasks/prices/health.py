"""Do the price schedules keep their pace?  Stale: never ran, or not within two of its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise

from cronsim import CronSim, CronSimError
from sqlalchemy import Connection, text

#: A cron's longest pause is looked for among so many due times (a month of weekdays).
LOOK_AHEAD = 25
#: Cadence of what has no readable one.
USUAL = timedelta(days=1)
#: So many intervals may pass before a schedule counts as stale: one run may be late or fail.
INTERVALS = 2


def is_stale(last_run_at: datetime | None, cadence: timedelta, now: datetime) -> bool:
    """Whether a job that should run every ``cadence`` has not for twice as long, or never."""
    return last_run_at is None or now - last_run_at > INTERVALS * cadence


def cadence_of(every: timedelta | None, cron: str | None, now: datetime) -> timedelta:
    """The longest pause between two due times in a row."""
    if every is not None:
        return every
    try:
        dues = list(islice(CronSim((cron or "").partition(";")[0].strip(), now), LOOK_AHEAD))
    except CronSimError:
        return USUAL
    return max((later - earlier for earlier, later in pairwise(dues)), default=USUAL)


@dataclass(frozen=True, slots=True)
class Pace:
    """One enabled price schedule."""

    schedule: str
    runs: str
    last_run_at: datetime | None
    stale: bool


_SCHEDULES = text("""
select s.name, s.runs, s.every, s.cron, clock_timestamp() as now, last.last_run_at
  from schedule_status s
  left join lateral (select created_at as last_run_at from run
                      where run.schedule = s.name and state in ('succeeded', 'partial')
                      order by created_at desc limit 1) last on true
 where s.enabled and s.task like 'tasks.prices.%' order by s.name
""")


def paces(connection: Connection) -> Sequence[Pace]:
    """Every enabled price schedule, by name."""
    return [
        Pace(
            row.name,
            row.runs,
            row.last_run_at,
            is_stale(row.last_run_at, cadence_of(row.every, row.cron, row.now), row.now),
        )
        for row in connection.execute(_SCHEDULES)
    ]
