"""`beat_schedule` and `add_periodic_task` of another application, by the path of its module."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.app.utils import find_app
from celery.beat import ScheduleEntry
from celery.exceptions import ImproperlyConfigured
from celery.schedules import maybe_schedule
from kombu.utils.imports import symbol_by_name

from beat.entries.conversion import CannotKeep, timing_of, zone_of
from beat.moving.found import Found, Unreadable


def read(path: str, zone: str) -> list[Found]:
    """Every entry of an application (``shop.celery``) or of a dictionary (``shop.settings:NAME``).

    An application's crontabs are read in its timezone, a dictionary's in ``zone``.
    """
    try:
        found: Any = symbol_by_name(path) if ":" in path else find_app(path)
    except (ImportError, AttributeError, ValueError, TypeError, ImproperlyConfigured) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    if isinstance(found, Celery):
        found.loader.import_default_modules()
        found, zone = found.conf.beat_schedule, zone_of(found)
    if not isinstance(found, Mapping):
        raise Unreadable(f"{path} is {type(found).__name__}: neither an application nor a dictionary")
    now = datetime.now(UTC)
    return [_found(str(name), entry, zone, now) for name, entry in found.items()]


def _found(name: str, entry: Any, zone: str, now: datetime) -> Found:
    try:
        given = dict(entry) if isinstance(entry, Mapping) else _fields(entry)
        timing = maybe_schedule(given["schedule"], given.get("relative", False))
        timing_of(timing, zone)
    except (CannotKeep, ImproperlyConfigured) as error:
        return Found(name, str(dict(entry).get("task", "")), refused=str(error))
    except (KeyError, TypeError, ValueError) as error:
        return Found(name, "", refused=f"it cannot be read: {type(error).__name__}: {error}")
    # Celery's beat sends an interval that it has never seen one interval after its start.
    return Found(
        name, str(given["task"]), schedule=timing, timezone=zone, args=tuple(given.get("args") or ()),
        kwargs=given.get("kwargs") or {}, options=given.get("options") or {}, last_run_at=now,
    )  # fmt: skip


def _fields(entry: ScheduleEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("task", "schedule", "args", "kwargs", "options")}
