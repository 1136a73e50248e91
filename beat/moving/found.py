"""One schedule of another scheduler, and when that scheduler would send it next (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab
from cronsim import CronSim

from beat.entries.conversion import aligned

#: How many due times are shown and compared.
SHOWN = 5


class Unreadable(Exception):
    """Where the other scheduler keeps its schedules cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: Celery's schedule object with its message, or why it cannot be taken."""

    name: str
    task: str
    schedule: Any = None
    timezone: str = "UTC"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    last_run_at: datetime | None = None
    #: Due once, then never again.
    at: datetime | None = None
    #: When the old scheduler sends it next, where that is kept; its timing is in ``columns`` then.
    next_at: datetime | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    refused: str | None = None

    def dues(self, now: datetime) -> list[datetime]:
        """The next due times by the old scheduler's arithmetic; the first may have passed already."""
        if self.at is not None:
            return [self.at]
        if self.next_at is not None:
            return self._dues_of_columns(self.next_at)
        if isinstance(self.schedule, crontab):
            return _dues_of_crontab(self.schedule, self.timezone, self.last_run_at or now)
        every: timedelta = self.schedule.run_every
        first = self.last_run_at + every if self.last_run_at else now
        if self.schedule.relative:
            first = aligned(every, self.timezone)
        return [first + number * every for number in range(SHOWN + 1)]

    def _dues_of_columns(self, first: datetime) -> list[datetime]:
        """The next due times of a grid, or of Debian's cron."""
        every = self.columns.get("every")
        if every is not None:
            return [first + number * every for number in range(SHOWN + 1)]
        times = CronSim(self.columns["cron"], first.astimezone(ZoneInfo(self.timezone)))
        return [first, *(next(times).astimezone(UTC) for _ in range(SHOWN))]


def _dues_of_crontab(given: Any, zone: str, after: datetime) -> list[datetime]:
    """Celery's own: each due time is what remains after the one before."""
    app: Any = Celery("zone", set_as_current=False)
    app.conf.timezone = zone
    moment = after.astimezone(ZoneInfo(zone))
    found: list[datetime] = []
    entry: Any = crontab(
        given._orig_minute, given._orig_hour, day_of_week=given._orig_day_of_week,  # noqa: SLF001
        day_of_month=given._orig_day_of_month, month_of_year=given._orig_month_of_year,  # noqa: SLF001
        nowfun=lambda: moment, app=app,
    )  # fmt: skip
    while len(found) <= SHOWN:
        last, step, _ = entry.remaining_delta(moment)
        moment = last + step
        found.append(moment.astimezone(UTC))
    return found
