"""django-celery-beat's tables, in any database that SQLAlchemy reads."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab, schedule, solar
from sqlalchemy import text

from beat.moving.databases import connected
from beat.moving.found import Found
from beat.time import sun
from workers.text.statements import statements

#: Its default for headers.
NO_HEADERS = ("", "{}", None)


def read(url: str) -> list[Found]:
    with connected(url) as connection:
        rows = connection.execute(text(statements(__file__)["read"])).mappings().all()
    return [_found(dict(row)) for row in rows]


def _found(row: dict[str, Any]) -> Found:
    timing: dict[str, Any] = {}
    refused = " ".join(_refusals(row)) or None
    if row["every"] is not None:
        timing["schedule"] = schedule(timedelta(**{row["period"]: row["every"]}))
    elif row["minute"] is not None:
        timing["schedule"] = crontab(
            row["minute"],
            row["hour"],
            day_of_week=row["day_of_week"],
            day_of_month=row["day_of_month"],
            month_of_year=row["month_of_year"],
        )
        timing["timezone"] = str(row["timezone"])
    elif row["clocked_time"] is not None:
        timing["at"] = _aware(row["clocked_time"])
    elif row["event"] is not None and refused is None:
        timing["schedule"] = solar(row["event"], float(row["latitude"]), float(row["longitude"]))
    options = {
        "queue": row["queue"],
        "priority": row["priority"],
        "expires": row["expire_seconds"],
    }
    columns = {
        "enabled": bool(row["enabled"]),
        "ends_at": _aware(row["expires"]),
        "note": row["description"] or None,
    }
    if row["one_off"] and "at" not in timing:
        columns["max_runs"] = 1
    last = _aware(row["last_run_at"])
    start = _aware(row["start_time"])
    if start is not None and (last is None or last < start):
        columns["starts_at"] = start
    return Found(
        name=row["name"], task=row["task"], args=tuple(json.loads(row["args"] or "[]")),
        kwargs=json.loads(row["kwargs"] or "{}"), options=options, last_run_at=last,
        columns={name: value for name, value in columns.items() if value is not None},
        refused=refused, **timing,
    )  # fmt: skip


def _refusals(row: dict[str, Any]) -> Iterator[str]:
    if row["event"] is not None:
        try:
            sun.ephem()
        except sun.NeedsEphem as error:
            yield f"{row['event']}: {error}."
    for name in ("exchange", "routing_key"):
        if row[name]:
            yield f"{name} = {row[name]!r}: a row names a queue."
    if row["headers"] not in NO_HEADERS:
        yield "a row keeps no headers."


def _aware(given: Any) -> datetime | None:
    """SQLite gives texts, and with USE_TZ off there is no zone: Django then keeps UTC."""
    if given is None:
        return None
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
