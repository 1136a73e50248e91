"""Cases of options and schedules: rows as people write them, as beat plans and counts them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from pydantic import ValidationError

from beat.time.catchup import settle
from beat.time.timetable import Timing, next_due
from tasks.discovery.discover import DiscoverOptions
from tests.support.cases.common import only

HOUR = timedelta(hours=1)


def strict(need: Any) -> Any:
    """A database with the kinds' own limits, as in production."""
    from workers.db import transaction
    from workers.ledger import kinds
    from workers.migrate import registered

    connection = need("connection")
    with transaction() as alchemy:
        kinds.register(alchemy, registered(), relaxed=False)
    return connection


def is_accepted(connection: Any, task: str, hours: int) -> bool:
    try:
        connection.execute(
            "insert into schedule (name, task, every) values ('case', %s, %s)",
            (task, timedelta(hours=hours)),
        )
    except psycopg.errors.CheckViolation:
        return False
    return True


def shipped(need: Any, name: str) -> Any:
    return next(row for row in need("shipped_schedules") if row["name"] == name)


def switched(enabled: Any, need: Any) -> dict[str, Any]:
    """The surveillance schedule, switched on or off, as beat then plans it."""
    connection, drive = strict(need), need("drive")
    try:
        connection.execute(
            "insert into schedule (name, task, every, enabled)"
            " values ('case', 'tasks.discovery.surveil', '4 hours', %s::text::boolean)", (str(enabled),)
        )  # fmt: skip
    except psycopg.errors.InvalidTextRepresentation:
        return {"valid": False}
    drive.work()
    row = connection.execute(
        "select enabled, next_run_at from schedule join schedule_state on schedule = name"
    ).fetchone()
    return {"valid": True, "jobs": int(row["next_run_at"] is not None), "enabled": row["enabled"],
            "surveillance_enabled": row["enabled"], "next_run": row["next_run_at"]}  # fmt: skip


def config(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "schedule", "surveillance_interval_hours", "surveillance_enabled")
    if "schedule" in given:
        connection = strict(need)
        first, *others = given["schedule"]
        assert is_accepted(connection, "tasks.discovery.surveil", first)
        for hours in others:
            connection.execute("update schedule set every = %s where name = 'case'", (hours * HOUR,))
        (row,) = connection.execute("select every from schedule").fetchall()
        return {"jobs": 1, "interval_hours": row["every"] / HOUR}
    if not given:
        row = shipped(need, "surveillance")
        hours = row["every"] / HOUR
        return {
            "surveillance_interval_hours": hours,
            "enabled": row["enabled"],
            "surveillance_enabled": row["enabled"],
        }
    if "surveillance_enabled" in given:
        return switched(given["surveillance_enabled"], need)
    hours = given["surveillance_interval_hours"]
    return {"valid": is_accepted(strict(need), "tasks.discovery.surveil", hours)}


def config_range(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    ((name, value),) = given.items()
    if name == "schedule_hours":
        valid = is_accepted(strict(need), "tasks.discovery.discover", value)
        return {"valid": valid, "default": shipped(need, "discovery")["every"] / HOUR}
    if name == "enabled":
        return {**switched(value, need), "default": shipped(need, "discovery")["enabled"]}
    try:
        kept = getattr(DiscoverOptions.model_validate(given), name)
    except ValidationError:
        valid = False
    else:
        valid = kept == value
    return {"valid": valid, "default": getattr(DiscoverOptions(), name)}


def next_run(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "enabled", "last", "hours", "now")
    if given.get("enabled") is False:
        return switched(enabled=False, need=need)
    if given.get("last") is None:
        drive = need("drive")
        drive.sql.execute(
            "insert into schedule (name, task, every) values ('case', 'tasks.discovery.discover', %s)",
            (given["hours"] * HOUR,),
        )
        drive.work(rounds=2)
        ran = drive.one("select count(*) as n from run where schedule = 'case'")["n"]
        return {"next_run": "<= now (run at once)" if ran == 1 else "later"}
    last, now = (datetime.fromisoformat(given[name]) for name in ("last", "now"))
    timing = Timing("case", every=given["hours"] * HOUR)
    due = next_due(timing, last, last)
    assert due is not None
    if due > now:
        return {"next_run": f"{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    (outcome,) = settle(timing, last, due, now).outcomes
    assert outcome.missed is None
    return {"next_run": "<= now (run at once)" if outcome.due_at <= now else "later"}


def stats(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "runs")
    connection = need("connection")
    states = {"completed": "succeeded"}
    for one in given["runs"]:
        only(one, "status", "new", "updated", "seconds")
        connection.execute(
            "insert into run (id, schedule, task, trigger, due_at, state, queue, started_at, finished_at, result)"
            " values (gen_random_uuid(), 'discovery', 'tasks.discovery.discover', 'schedule', clock_timestamp(), %s,"
            " 'discovery', now(), now() + %s * interval '1 second', %s)",
            (states.get(one["status"], one["status"]), one["seconds"],
             json.dumps({"counts": {"new": one["new"], "updated": one["updated"]}})),
        )  # fmt: skip
    row = connection.execute("select * from discovery_stats").fetchone()
    return {name: float(row[name]) for name in expected}
