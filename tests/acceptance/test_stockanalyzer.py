"""The cases of the stock analyzer, by id: adapters rename fields and call what production calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
import psycopg
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from beat.cli.commands import schedule as command
from beat.cli.shared import time_of_day
from beat.time.catchup import settle
from beat.time.cron import parse
from beat.time.timetable import Timing, dues, next_due
from tasks.prices import spans
from tasks.prices.history import HistoryOptions
from tasks.prices.spans import Span
from tests.support.cases.api import jobs_api
from tests.support.cases.common import cases, only

DAY = timedelta(days=1)

Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]


def decided(case: dict[str, Any]) -> dict[str, Any]:
    """What must come out; where a case leaves the choice, what README.md beside this says."""
    expected: dict[str, Any] = case["expected"]
    if case["kind"] == "optional" and "kept_max" in expected:
        # History is kept by days, not by count.
        return {"returned": expected["returned"], "kept": case["input"]["rows"]}
    if case["kind"] == "optional" and case["area"] == "dst":
        # Skipped or repeated, the time runs once: a skipped one at the end of the gap.
        return {"runs": 1, "utc": ["07:00"]} if case["input"]["date"] == "2026-03-08" else {"runs": 1}
    return expected


def schedule_time(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    only(given, "schedule_time")
    try:
        parse(time_of_day(given["schedule_time"]))
    except click.UsageError:
        return {"valid": False}
    return {"valid": True}


def next_run(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    only(given, "now", "schedule_time")
    now = datetime.fromisoformat(given["now"]).replace(tzinfo=UTC)
    due = next_due(Timing("job", cron=time_of_day(given["schedule_time"])), None, now)
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
    only(given, "stock_ids", "name")
    sql = need("prices").sql
    statement = (
        "insert into schedule (name, task, cron, options) values (%s, 'tasks.prices.history', %s, %s)"
    )

    def insert(name: str, symbols: list[str]) -> None:
        sql.execute(statement, (name, "0 17 * * *", json.dumps({"symbols": symbols})))

    insert("all-is-well", ["AAPL"])
    if "stock_ids" in given:
        with pytest.raises(ValidationError):
            HistoryOptions(symbols=given["stock_ids"])
        with pytest.raises(psycopg.errors.CheckViolation, match="symbols"):
            insert("daily", given["stock_ids"])
        return {"http": 422}
    with pytest.raises(psycopg.errors.CheckViolation, match="name"):
        insert(given["name"], ["AAPL"])
    return {"valid": False}


def execute(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    """A history of so many symbols that succeed and fail; without numbers: one with an empty table."""
    only(given, "ok", "failed", "frame")
    prices, daily_answer = need("prices"), need("daily_answer")
    prices.closed_market()
    closes = {str(datetime.now(UTC).date() - timedelta(days=n)): 10.0 for n in range(40)}
    good, bad = given.get("ok", 0), given.get("failed", 0)
    empty = not good and not bad
    prices.alpha_vantage.answer = lambda asked: (
        {"Time Series (Daily)": {}}
        if empty
        else daily_answer(closes)
        if asked["symbol"].startswith("OK")
        else "<html>"
    )
    symbols = [*(f"OK{n}" for n in range(good)), *(f"BAD{n}" for n in range(bad))] or ["EMPTY"]
    run = prices.run("tasks.prices.history", symbols=symbols)
    outcomes = list(prices.outcomes(run).values())
    theirs = {"succeeded": "success", "partial": "partial_success", "failed": "failed"}
    found = {
        "status": theirs[run["state"]],
        "fetched": outcomes.count("ok"),
        "errors": outcomes.count("error"),
        "error": run["error"] is not None,
    }
    return {name: found[name] for name in expected}


def key(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    only(given, "prefix", "stock", "start", "end")
    span = Span(date.fromisoformat(given["start"]), date.fromisoformat(given["end"]))
    return {"key": spans.label(given["prefix"], given["stock"], span)}


def listed(*options: str) -> list[dict[str, Any]]:
    """Runs as people list them."""
    done = CliRunner().invoke(command, ["runs", "faang", "--json", *options])
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def history(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "rows", "status")
    prices = need("prices")
    insert = (
        "insert into run (id, schedule, task, trigger, due_at, state, queue, finished_at)"
        " select gen_random_uuid(), 'faang', 'tasks.prices.history', 'manual', now(), %s,"
        " 'prices', now() from generate_series(1, %s::int)"
    )
    if "rows" in given:
        prices.sql.execute(insert, ("succeeded", given["rows"]))
        prices.run("tasks.upkeep.retention")
        kept = prices.one("select count(*) as n from run where schedule = 'faang'")["n"]
        return {"returned": len(listed("-n", str(expected["returned"]))), "kept": kept}
    for state in ("succeeded", "partial", "failed", "stopped"):
        prices.sql.execute(insert, (state, 2))
    if given["status"] == "failed":
        assert {row["state"] for row in listed("--failed")} == {"failed", "partial"}
    theirs = prices.all(
        "select state from recent_runs where name = 'faang' and state = %s", given["status"]
    )
    assert len(theirs) == 2
    (state,) = {row["state"] for row in theirs}
    return {"only": state}


def overlap(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if "down_to" in given:
        only(given, "down_from", "down_to", "schedule_time")
        daily = Timing("job", cron=time_of_day(given["schedule_time"]))
        began, ended = (
            datetime.combine(date(2026, 1, 30), datetime.strptime(given[name], "%H:%M").time(), UTC)
            for name in ("down_from", "down_to")
        )
        due = next_due(daily, None, began)
        assert due is not None
        return {"runs_after_start": len(settle(daily, None, due, ended).outcomes)}
    drive = need("drive")
    drive.schedule("job", every=DAY)
    drive.work()
    drive.start("job")
    if "job" in given:
        only(given, "job")
        due = drive.runs("job")[0]["due_at"]
        drive.end("job", "failed", error="RuntimeError: raised")
        drive.work(timedelta(minutes=1), rounds=3)
        advanced = drive.state("job")["next_run_at"] == due + DAY and len(drive.runs("job")) == 1
        return {"next_run": "advanced" if advanced else "left due"}
    only(given, "run_seconds", "tick")
    most = 0
    for second in range(given["tick"], given["run_seconds"] + given["tick"], given["tick"]):
        drive.work(timedelta(seconds=second))
        most = max(most, drive.states("job").count("running") + drive.states("job").count("due"))
    return {"concurrent_runs": most, "runs": len(drive.runs("job"))}


def dst(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    only(given, "date", "dates", "time", "tz")
    timing = Timing("job", cron=time_of_day(given["time"]), timezone=given["tz"])
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
    "api": jobs_api,
}


@pytest.mark.parametrize("case", cases("stockanalyzer"))
def test_stockanalyzer(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = decided(case)
    assert ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue) == expected
