"""The line on every page: what is wrong, what is paused, when each watch ran and runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, text

from console.sql import statement
from tasks.watches.registry import by_domain

#: Schedules named on the strip; the others are counted, at most to this number.
SHOWN, MAX_COUNTED = 5, 1000
#: One process reads the strip at most so often (seconds).
MAX_AGE = 1.0
#: Kinds of trouble that have a place of their own on the strip.
_SILENT = ("beat silent", "worker silent", "queue unserved")

_TROUBLE = statement("strip", "trouble")
_PAUSED = text("select changed_by, changed_at, note from pause_switch where paused")
_NEAR = statement("strip", "near")
_SIGNS = text("select role, count(*) as number from health where state = 'ok' group by role")
_ITEMS = statement("strip", "items")
_COUNT = statement("strip", "count")


@dataclass(frozen=True)
class Strip:
    trouble: int
    worst: str
    paused: dict[str, Any] | None
    silent: list[str]
    held: int
    near: list[dict[str, Any]]
    items: list[dict[str, Any]]
    #: How many schedules of watches are not named; "1,000+" when they are not counted further.
    more: str
    beats: int
    workers: int
    #: All that is wrong.
    wrong: list[dict[str, Any]]


@dataclass
class _Cache:
    strip: Strip | None = None
    at: float = field(default=float("-inf"))


_cache = _Cache()


def current(connection: Connection) -> Strip:
    """The strip as it was at most a second ago: it is the same for everybody."""
    if _cache.strip is None or time.monotonic() - _cache.at > MAX_AGE:
        return read(connection)
    return _cache.strip


def last() -> Strip | None:
    """The strip as it was read last in this process."""
    return _cache.strip


def trouble(connection: Connection) -> list[dict[str, Any]]:
    return _dicts(connection.execute(_TROUBLE))


def read(connection: Connection) -> Strip:
    wrong = trouble(connection)
    errors = [one for one in wrong if one["severity"] == "error"]
    signs = {row.role: row.number for row in connection.execute(_SIGNS)}
    queues = [watch.queue for watch in by_domain().values()]
    items = _dicts(connection.execute(_ITEMS, {"queues": queues, "shown": SHOWN}))
    counted = 0
    if len(items) == SHOWN:
        most = MAX_COUNTED + SHOWN + 1
        counted = connection.execute(_COUNT, {"queues": queues, "most": most}).scalar_one() - SHOWN
    _cache.at, _cache.strip = (
        time.monotonic(),
        Strip(
            trouble=len(errors),
            worst=_worst(errors),
            paused=next(iter(_dicts(connection.execute(_PAUSED))), None),
            silent=[one["title"] for one in wrong if one["kind"] in _SILENT][:3],
            held=_held(wrong),
            near=_dicts(connection.execute(_NEAR)),
            items=items,
            more=""
            if counted <= 0
            else f"{counted:,}"
            if counted <= MAX_COUNTED
            else f"{MAX_COUNTED:,}+",
            beats=signs.get("beat", 0),
            workers=signs.get("worker", 0),
            wrong=wrong,
        ),
    )
    return _cache.strip


def _dicts(rows: CursorResult[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows.mappings()]


def _worst(errors: list[dict[str, Any]]) -> str:
    order = ("paused", "beat silent", "queue unserved", "worker silent", "blocked")
    ranked = sorted(
        errors, key=lambda one: order.index(one["kind"]) if one["kind"] in order else len(order)
    )
    return ranked[0]["title"] if ranked else ""


def _held(wrong: list[dict[str, Any]]) -> int:
    """Notices that wait; the text of the trouble begins with their number."""
    held = (str(one["text"]).split(" ", 1)[0] for one in wrong if one["kind"] == "notices held")
    return sum(int(number) for number in held if number.isdigit())
