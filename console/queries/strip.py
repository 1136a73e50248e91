"""The line on every page: what is wrong, what is paused, when each watch ran and runs."""

import time

from sqlalchemy import Connection

from console import sql
from console.queries.lists import encode
from console.sql import Row
from tasks.watches.registry import by_domain

#: Schedules named on the strip; the others are counted, at most to this number.
SHOWN, MAX_COUNTED = 5, 1000
#: One process reads the strip at most so often (seconds).
MAX_AGE = 1.0
#: Kinds of trouble that have a place of their own on the strip.
_SILENT = ("beat silent", "worker silent", "queue unserved", "queue stalled")
#: The worst first; all others follow.
_WORST = ("paused", "beat silent", "queue unserved", "queue stalled", "worker silent", "blocked")
#: The strip, and when it was read.
_kept: list[tuple[float, Row]] = []


def current(connection: Connection) -> Row:
    """The strip as it was at most a second ago: it is the same for everybody."""
    known = last()
    return read(connection) if known is None or time.monotonic() - _kept[0][0] > MAX_AGE else known


def last() -> Row | None:
    return _kept[0][1] if _kept else None


def capped(number: int, most: int = MAX_COUNTED) -> str:
    return f"{number:,}" if number <= most else f"{most:,}+"


def read(connection: Connection) -> Row:
    sql.execute(connection, "strip.plans")
    wrong = sql.rows(connection, "strip.trouble", severity=None)
    errors = [one for one in wrong if one["severity"] == "error"]
    queues = [watch.queue for watch in by_domain().values()]
    items = sql.rows(connection, "strip.items", queues=queues, shown=SHOWN)
    # How many schedules of watches are not named, and where the list goes on with them.
    more = sql.scalar(connection, "strip.count", queues=queues, named=SHOWN, most=MAX_COUNTED + 1)
    ranked = sorted(errors, key=lambda one: (*_WORST, one["kind"]).index(one["kind"]))
    found = {
        "trouble": len(errors),
        "worst": ranked[0]["title"] if ranked else "",
        "paused": sql.first(connection, "strip.paused"),
        "silent": [one["title"] for one in wrong if one["kind"] in _SILENT][:3],
        "held": sum(int(one["text"].split()[0]) for one in wrong if one["kind"] == "notices held"),
        "near": sql.rows(connection, "strip.near"),
        "items": items,
        "more": capped(more) if more > 0 else "",
        "after": encode(0, items[-1]["name"], items[-1]["name"]) if items else "",
        **sql.rows(connection, "strip.signs")[0],
        "wrong": wrong,
    }
    _kept[:] = [(time.monotonic(), found)]
    return found
