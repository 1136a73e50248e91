"""RedBeat's keys in Redis: a sorted set of entries, and a hash for each."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import redis
from celery.schedules import crontab, schedule

from beat.moving.found import Found, Unreadable

PREFIX = "redbeat:"


class StillRunning(Exception):
    """The other scheduler holds its lock."""


def read(url: str, zone: str, *, prefix: str = PREFIX, running: bool = False) -> list[Found]:
    """Every entry; ``zone`` is that of the application, in which RedBeat reads crontabs.

    StillRunning while a RedBeat beat holds the lock, unless ``running``.
    """
    try:
        with redis.Redis.from_url(url, protocol=2, decode_responses=True) as client:
            if client.exists(f"{prefix}:lock") and not running:
                raise StillRunning(f"a beat of RedBeat holds the lock {prefix}:lock")
            keys: Any = client.zrange(f"{prefix}:schedule", 0, -1)
            found = [_found(key, client.hgetall(key), zone, prefix) for key in keys]
    except redis.RedisError as error:
        raise Unreadable(str(error)) from None
    return sorted(found, key=lambda one: one.name)


def _found(key: str, fields: Any, zone: str, prefix: str) -> Found:
    name = key.removeprefix(prefix)
    try:
        said = json.loads(fields["definition"], object_hook=_object)
        meta = json.loads(fields.get("meta") or "{}", object_hook=_object)
        timing = said["schedule"]
        refused = (
            None
            if isinstance(timing, (crontab, schedule))
            else f"{timing} is a rule that no row can say."
        )
        return Found(
            name=said.get("name") or name, task=said["task"], schedule=timing, timezone=zone,
            args=tuple(said.get("args") or ()), kwargs=said.get("kwargs") or {},
            options=said.get("options") or {}, last_run_at=meta.get("last_run_at"),
            columns={"enabled": bool(said.get("enabled", True))}, refused=refused,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        return Found(
            name, "", refused=f"its definition cannot be read: {type(error).__name__}: {error}."
        )


def _object(given: dict[str, Any]) -> Any:
    kind = given.pop("__type__", None)
    if kind == "datetime":
        zone = given.pop("timezone", "UTC")
        # RedBeat writes an offset in seconds where a zone has no name.
        known = ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=zone))
        return datetime(**given, tzinfo=known).astimezone(UTC)
    if kind == "interval":
        return schedule(timedelta(seconds=given["every"]), relative=given.get("relative", False))
    if kind == "crontab":
        return crontab(**given)
    if kind is not None:
        return f"{kind} {given}"
    return given
