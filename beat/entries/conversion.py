"""From an entry of Celery's beat to the columns of a row; what a row cannot keep is refused.

Nothing is dropped without a word: an option that would change what happens raises `CannotKeep`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import tzlocal
from celery import Celery
from celery.beat import BeatLazyFunc, ScheduleEntry
from celery.schedules import crontab, schedule, solar
from celery.utils.time import delta_resolution

from beat.entries.crontabs import cron_of
from beat.time import sun

#: Options of a message that a row keeps, and those that change nothing here.
KEPT = frozenset({"queue", "priority", "expires", "time_limit"})
MEANINGLESS = frozenset({"retry", "retry_policy", "serializer", "compression", "delivery_mode"})
#: Rows' priorities, 9 first, of Redis' 0 to 9, 0 first as are messages without one; what beat sends for
#: them (`beat.tick.calls.redis_priority`) is the same of kombu's steps.
OF_REDIS = (5, 4, 4, 3, 3, 3, 2, 1, 1, 0)


class CannotKeep(ValueError):
    """Something of an entry that a row cannot say."""


@dataclass(frozen=True, slots=True)
class Place:
    """What conversion has to know of an application: its zone, and how its broker counts priorities."""

    timezone: str
    #: Row's priority of each of the broker's.
    priorities: tuple[int, ...]

    @classmethod
    def of(cls, app: Celery) -> Place:
        url = str(app.conf.broker_write_url or app.conf.broker_url or "")
        if not url.startswith(("redis", "sentinel", "rediss", "valkey")):
            return cls(zone_of(app), tuple(range(10)))
        steps = (app.conf.broker_transport_options or {}).get("priority_steps") or ()
        return cls(zone_of(app), tuple(range(9, -1, -1)) if len(steps) == 10 else OF_REDIS)


def zone_of(app: Celery) -> str:
    """The IANA name of the zone in which an application reads crontabs."""
    given = app.conf.timezone
    if given:
        return str(getattr(given, "key", None) or getattr(given, "zone", None) or given)
    return "UTC" if app.conf.enable_utc else tzlocal.get_localzone_name()


def columns_of(entry: ScheduleEntry, place: Place, *, plain: bool) -> dict[str, Any]:
    """Columns of the row of ``entry``, without its name; ``plain``: its task is no kind."""
    row: dict[str, Any] = {"task": entry.task, "every": None, "cron": None, "timezone": place.timezone}
    row |= timing_of(entry.schedule, place.timezone)
    args, kwargs = list(entry.args or ()), dict(entry.kwargs or {})
    if any(isinstance(one, BeatLazyFunc) for one in (*args, *kwargs.values())):
        raise CannotKeep("an argument is computed by code when it is sent; a row holds values")
    if plain:
        options = {"args": args, "kwargs": kwargs}
        # Celery's beat sends an entry also while its last message is being worked on.
        row["overlap"] = "allow_all"
    elif args:
        raise CannotKeep(f"{entry.task} takes options by name, not {args!r}: use kwargs")
    else:
        options = kwargs
    row["options"] = {name: value for name, value in options.items() if value or not plain}
    json.dumps(row["options"])
    return row | options_of(entry.options or {}, place)


def timing_of(given: Any, zone: str) -> dict[str, Any]:
    """``every``, or ``cron``, of one of Celery's schedules."""
    if getattr(given, "nowfun", None) is not None:
        raise CannotKeep("a schedule with nowfun has a clock of its own; a row has a timezone")
    if isinstance(given, crontab):
        return {"cron": cron_of(given)}
    if isinstance(given, solar):
        return {"cron": sun.text_of(given.event, given.lat, given.lon)}
    if type(given) is schedule:
        plain: Any = given
        every = plain.run_every
        if every <= timedelta(0):
            raise CannotKeep(f"an interval of {every} is due all the time")
        return {"every": every, **({"starts_at": aligned(every, zone)} if plain.relative else {})}
    raise CannotKeep(f"{type(given).__name__} is a schedule that only its code knows")


def aligned(every: timedelta, zone: str) -> datetime:
    """Where the grid of a relative interval begins: on a whole day, hour or minute, as in Celery."""
    first = datetime.now(UTC).astimezone(ZoneInfo(zone)) + every
    return delta_resolution(first, every).replace(microsecond=0).astimezone(UTC)


def options_of(options: Mapping[str, Any], place: Place) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    headers = dict(given.pop("headers", None) or {})
    headers.pop("celery_beat_task", None)
    if headers:
        given["headers"] = headers
    unknown = sorted(given.keys() - KEPT - MEANINGLESS)
    if unknown:
        raise CannotKeep(f"a row cannot keep the option {', '.join(unknown)}")
    row: dict[str, Any] = {}
    if "queue" in given:
        row["queue"] = str(getattr(given["queue"], "name", given["queue"]))
    if "priority" in given:
        row["priority"] = _priority(given["priority"], place)
    for option, column in (("expires", "expires"), ("time_limit", "timeout")):
        if option in given:
            row[column] = _length(option, given[option])
    return row


def _priority(given: Any, place: Place) -> int:
    number = int(given)
    if not 0 <= number <= 9:
        raise CannotKeep(f"priority = {number} is not within 0 to 9")
    return place.priorities[number]


def _length(option: str, given: Any) -> timedelta:
    if isinstance(given, timedelta):
        return given
    if isinstance(given, (int, float)):
        return timedelta(seconds=given)
    raise CannotKeep(f"{option} = {given!r} is not a length of time")
