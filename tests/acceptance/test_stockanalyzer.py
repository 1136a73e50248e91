"""The cases of the stock analyzer, by id: adapters rename fields and call what production calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from beat.catchup import settle
from beat.cron import CronError, parse
from beat.overlap import Act, decide
from beat.timetable import Timing, dues, next_due
from tasks.prices import spans
from tasks.prices.history import HistoryOptions
from tasks.prices.spans import Span
from workers.outcomes import judge

HERE = Path(__file__).parent
CASES = [
    case
    for case in json.loads((HERE / "cases" / "stockanalyzer.json").read_text())
    if case["area"] != "api"
]
#: What we decided where a case leaves the choice; the README says why.
DECIDED: dict[str, dict[str, Any]] = {
    "ST-027": {"returned": 50, "kept": 120},
    "ST-040": {"runs": 1, "utc": ["07:00"]},
    "ST-041": {"runs": 1},
}
DAY = timedelta(days=1)

Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]


def cron_of(clock: str) -> str:
    """A time of day as the cron text of a schedule."""
    hour, _, minute = clock.partition(":")
    return f"{minute} {hour} * * *"


def schedule_time(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    try:
        parse(cron_of(given["schedule_time"]))
    except CronError:
        return {"valid": False}
    return {"valid": True}


def next_run(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    now = datetime.fromisoformat(given["now"]).replace(tzinfo=UTC)
    due = next_due(Timing("job", cron=cron_of(given["schedule_time"])), None, now)
    assert due is not None
    return {"next_run": f"{due:%Y-%m-%dT%H:%M}"}


def window(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    today = date.fromisoformat(given.get("today", "2025-10-23"))
    asked = {name: value for name, value in given.items() if name != "today"}
    try:
        span = HistoryOptions.model_validate({"symbols": ["AAPL"], **asked}).span(today)
    except ValidationError as error:
        if "valid" in expected:
            return {"valid": False}
        return {"error": "Invalid date range" if "Invalid date range" in str(error) else str(error)}
    return {"start": str(span.first), "end": str(span.last)}


def validate(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if "stock_ids" in given:
        with pytest.raises(ValidationError):
            HistoryOptions(symbols=given["stock_ids"])
        return {"http": 422}
    sql = need("prices").sql
    statement = "insert into schedule (name, task, every) values (%s, 'tasks.prices.history', '1 day')"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.execute(statement, (given["name"],))
    return {"valid": False}


def execute(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    state = judge(
        {
            "done": given["ok"],
            "failed": given["failed"],
            "deferred": 0,
            "stopped_batches": 0,
            "failed_batches": 0,
            "deferred_batches": 0,
        }
    )
    theirs = {"succeeded": "success", "partial": "partial_success", "failed": "failed"}[state]
    found = {"status": theirs, "fetched": given["ok"], "errors": given["failed"]}
    return {name: found[name] for name in expected}


def key(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    span = Span(date.fromisoformat(given["start"]), date.fromisoformat(given["end"]))
    return {"key": spans.label(given["prefix"], given["stock"], span)}


def history(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    prices = need("prices")
    insert = (
        "insert into run (id, schedule, task, trigger, due_at, state, queue, finished_at)"
        " select gen_random_uuid(), 'faang', 'tasks.prices.history', 'manual', now(), %s,"
        " 'prices', now() from generate_series(1, %s::int)"
    )
    if "rows" in given:
        prices.sql.execute(insert, ("succeeded", given["rows"]))
        listed = prices.all("select * from recent_runs where name = 'faang' limit 50")
        prices.run("tasks.upkeep.retention")
        kept = prices.one("select count(*) as n from run where schedule = 'faang'")["n"]
        return {"returned": len(listed), "kept": kept}
    prices.sql.execute(insert, ("succeeded", 3))
    prices.sql.execute(insert, (given["status"], 2))
    (state,) = {row["state"] for row in prices.all("select state from recent_failures")}
    return {"only": state}


def overlap(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    daily = Timing("job", cron=cron_of(given.get("schedule_time", "17:00")))
    due = datetime(2026, 1, 30, 17, tzinfo=UTC)
    if "down_to" in given:
        hour = int(given["down_to"].partition(":")[0])
        made = settle(daily, None, due, due.replace(hour=hour))
        return {"runs_after_start": len(made.outcomes)}
    if "tick" not in given:
        # The claim writes the next due time before the job begins, whatever becomes of it.
        following = settle(daily, None, due, due).following
        return {"next_run": "advanced" if following == due + DAY else "left due"}
    waiting: datetime | None = due
    started = 0
    for second in range(0, given["run_seconds"] + given["tick"], given["tick"]):
        now = due + timedelta(seconds=second)
        if waiting is not None and waiting <= now:
            started += decide("skip", started, 0).act is Act.START
            waiting = settle(daily, None, waiting, now).following
    assert decide("skip", 1, 0).act is Act.SKIP
    return {"concurrent_runs": started, "runs": started}


def dst(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    timing = Timing("job", cron=cron_of(given["time"]), timezone=given["tz"])
    days = given.get("dates", [given.get("date")])
    found = []
    for day in days:
        midnight = datetime.fromisoformat(f"{day}T05:00+00:00") - timedelta(hours=1)
        first = next_due(timing, None, midnight)
        assert first is not None
        found += list(dues(timing, None, first, midnight + timedelta(hours=23)))
    told = {"utc": [f"{due:%H:%M}" for due in found], "runs": len(found)}
    return {name: told[name] for name in expected}


ADAPTERS: dict[str, Adapter] = {
    "schedule_time": schedule_time,
    "next-run": next_run,
    "window": window,
    "validate": validate,
    "execute": execute,
    "key": key,
    "history": history,
    "overlap": overlap,
    "dst": dst,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_stockanalyzer(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = DECIDED.get(case["id"], case["expected"])
    assert ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue) == expected
