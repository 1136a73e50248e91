"""One schedule of another scheduler, and when that scheduler would send it next (pure)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab, solar
from cronsim import CronSim

from beat.entries.conversion import aligned

#: How many due times are shown and compared.
SHOWN = 5
#: `ephem` is exact to a tenth of a second: so close to an event it may find the same one again.
_ASIDE = timedelta(minutes=1)


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

    def first(self, now: datetime) -> datetime:
        """When the old scheduler sends it next: it may have passed already."""
        known = self.at or self.next_at
        if known is not None:
            return known
        if isinstance(self.schedule, crontab):
            return _dues_of_crontab(self.schedule, self.timezone, self.last_run_at or now)[0]
        if isinstance(self.schedule, solar):
            return next(_dues_of_sun(self.schedule, self.last_run_at or now))
        if self.schedule.relative:
            return aligned(self.schedule.run_every, self.timezone)
        return self.last_run_at + self.schedule.run_every if self.last_run_at else now

    def dues(self, first: datetime, now: datetime) -> list[datetime]:
        """The next due times after ``now`` by the old scheduler's arithmetic, from ``first`` on."""
        if self.at is not None:
            return [self.at] if self.at > now else []
        after = max(now, first - timedelta(microseconds=1))
        if isinstance(self.schedule, crontab):
            return _dues_of_crontab(self.schedule, self.timezone, after)[:SHOWN]
        if isinstance(self.schedule, solar):
            coming = _dues_of_sun(self.schedule, max(now, first - _ASIDE))
            return list(islice((due for due in coming if due > first - _ASIDE / 2), SHOWN))
        every = self.columns.get("every") if self.schedule is None else self.schedule.run_every
        if every is not None:
            steps = (after - first) // every + 1
            return [first + (steps + number) * every for number in range(SHOWN)]
        times = CronSim(self.columns["cron"], after.astimezone(ZoneInfo(self.timezone)))
        return [next(times).astimezone(UTC) for _ in range(SHOWN)]


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
    while len(found) < SHOWN:
        last, step, _ = entry.remaining_delta(moment)
        moment = last + step
        found.append(moment.astimezone(UTC))
    return found


def _dues_of_sun(given: Any, after: datetime) -> Iterator[datetime]:
    """Celery's own, each after the one before."""
    moment = after
    app: Any = Celery("sun", set_as_current=False)
    entry: Any = solar(given.event, given.lat, given.lon, nowfun=lambda: moment, app=app)
    while True:
        due = moment + entry.remaining_estimate(moment)
        yield due.astimezone(UTC)
        moment = due + _ASIDE
