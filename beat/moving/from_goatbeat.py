"""goatbeat's table `goatbeat_schedule` in Postgres: its schema version 1, which goatbeat 0.2 makes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from beat.moving.databases import connected
from beat.moving.found import Found, Unreadable
from beat.time.cron import CronError, parse
from workers.text.statements import statements

#: What becomes of due times that goatbeat found late, by its policy.
CATCH_UP = {"run_once": "latest", "catch_up": "all", "skip": "none"}
VERSION = text("select max(version) from goatbeat_schema_version")
#: The schema version that is understood here.
KNOWN = 1


def read(url: str) -> list[Found]:
    with connected(url) as connection:
        version = connection.execute(VERSION).scalar()
        if version != KNOWN:
            raise Unreadable(f"its schema is version {version}; version {KNOWN} is understood here")
        rows = connection.execute(text(statements(__file__)["read"])).mappings().all()
    return [_found(dict(row)) for row in rows]


def _found(row: dict[str, Any]) -> Found:
    columns: dict[str, Any] = {"enabled": row["enabled"]}
    refused = _refusal(row)
    if refused is None:
        columns |= _timing(row) | {"catch_up": CATCH_UP[row["misfire_policy"]]}
        if row["misfire_policy"] == "skip":
            # What is later than that was skipped by goatbeat.
            columns["expires"] = timedelta(microseconds=row["misfire_grace_us"])
    return Found(
        name=row["name"],
        task=row["task_path"],
        args=tuple(row["task_args"]),
        kwargs=row["task_kwargs"],
        options={"queue": row["queue"], "priority": row["priority"]},
        timezone=row["timezone"] or "UTC",
        columns=columns,
        next_at=row["next_run_at"],
        refused=refused,
    )


def _timing(row: dict[str, Any]) -> dict[str, Any]:
    if row["trigger_kind"] == "cron":
        return {"cron": row["cron"], "every": None}
    every = timedelta(microseconds=row["interval_us"])
    return {"every": every, "starts_at": _grid(row["start_at"], every, row["next_run_at"])}


def _grid(start: datetime, every: timedelta, following: datetime) -> datetime:
    """The point of goatbeat's grid that it would send next: what was before it has been sent."""
    steps = -((start - following) // every)
    return start + steps * every


def _refusal(row: dict[str, Any]) -> str | None:
    if row["backend"]:
        return f"backend = {row['backend']!r}: a row names a queue."
    if row["misfire_policy"] not in CATCH_UP:
        return f"misfire_policy = {row['misfire_policy']!r} is none that is known here."
    if row["trigger_kind"] == "cron":
        try:
            parse(row["cron"])
        except CronError as error:
            return str(error)
    elif row["trigger_kind"] != "interval" or (row["interval_us"] or 0) <= 0 or row["start_at"] is None:
        return f"{row['trigger_kind']} has no interval or no start."
    return None
