"""Entries in code become rows; what people did to a row wins and is said once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry
from celery.schedules import crontab, solar
from structlog.testing import capture_logs

from beat.time import sun

HOUR = timedelta(hours=1)


@pytest.fixture
def code(drive: Any, plain: Any, new_beat: Callable[[], Any], monkeypatch: Any) -> Callable[..., dict[str, Any]]:  # fmt: skip
    """``code(name={…})``: a beat starts with these entries; returns the rows by name."""
    from workers.app import app

    # The test's own kind is none of the application's.
    drive.sql.execute("update task_kind set retired_at = null")

    def start(entries: dict[str, Any], **conf: Any) -> dict[str, Any]:
        for name, value in {"beat_schedule": entries, **conf}.items():
            monkeypatch.setitem(app.conf, name, value)
        beat = new_beat()
        beat.work()
        beat.close()
        return {row["name"]: row for row in drive.all("select * from schedule")}

    return start


ADD = {"task": "plain.add", "schedule": 600.0, "args": (1,), "kwargs": {"y": 2}}


def test_an_entry_is_a_row_with_all_that_it_says(code: Callable[..., Any], drive: Any) -> None:
    at = crontab(0, 7, day_of_month="1-7", day_of_week="monday")
    entries = {
        "Add numbers (EU)": {**ADD, "options": {"expires": 60, "queue": "upkeep"}},
        "weekly_report": {"task": "plain.whoami", "schedule": at},
        "kind": {"task": "tests.counting", "schedule": HOUR, "kwargs": {"items": 3}},
    }
    rows = code(entries, timezone="Europe/Berlin")

    added = rows["add-numbers-eu"]
    assert (added["title"], added["every"], added["expires"]) == ("Add numbers (EU)", timedelta(minutes=10), timedelta(minutes=1))  # fmt: skip
    assert added["options"] == {"args": [1], "kwargs": {"y": 2}}
    assert rows["weekly-report"]["cron"] == "0 7 1-7 * and 1"
    assert rows["weekly-report"]["timezone"] == "Europe/Berlin"
    assert rows["kind"]["options"] == {"items": 3}
    words = drive.one("select schedule_words(s) as w from schedule s where name = 'weekly-report'")["w"]
    assert words == "Mondays on day 1-7 of the month at 07:00 Berlin"


def test_an_entry_by_the_sun_is_due_when_celery_sends_it_and_misses_nothing(
    code: Callable[..., Any], drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = solar("sunset", 52.52, 13.405)
    rows = code({"lights": {"task": "plain.whoami", "schedule": at}})
    assert rows["lights"]["cron"] == "@sunset 52.52 13.405"
    assert drive.one("select schedule_words(s) as w from schedule s")["w"] == "at sunset, 52.52 north 13.405 east"  # fmt: skip
    due = drive.state("lights")["next_run_at"]
    now = drive.now()
    assert abs(due - now - at.remaining_estimate(now)) < timedelta(seconds=2)
    assert drive.all("select due_at from next_runs('lights', 5)") == [{"due_at": due}]

    # The beat that goes on has no entries in its code.
    drive.sql.execute("delete from beat_entry")
    # No beat for three days: one run of the last, one row for those that are too old by now.
    drive.work(timedelta(days=3), rounds=2)
    states = {run["state"]: run["covers_count"] for run in drive.runs("lights")}
    assert states == {"due": 1, "missed": 2}
    assert drive.state("lights")["next_run_at"] > now + timedelta(days=3)

    monkeypatch.setitem(sys.modules, "ephem", None)
    sun._event.cache_clear()
    drive.schedule("more", cron="@sunrise 1 2")
    drive.work()
    assert "pip install ephem" in drive.state("more")["error"]


def test_names_that_look_alike_are_two_rows(code: Callable[..., Any]) -> None:
    rows = code({"a_b": ADD, "a-b": ADD, "A b": ADD})
    assert sorted(row["title"] or row["name"] for row in rows.values()) == ["A b", "a-b", "a_b"]
    again = code({"a_b": ADD, "a-b": ADD, "A b": ADD})
    assert again.keys() == rows.keys()


def test_a_row_of_somebody_with_the_name_of_an_entry_is_left_alone(code: Callable[..., Any], drive: Any) -> None:  # fmt: skip
    drive.schedule("mine", every=HOUR)
    rows = code({"mine": ADD})
    assert rows["mine"]["task"] == "tests.noop"
    (other,) = [row for name, row in rows.items() if name != "mine"]
    assert (other["title"], other["task"]) == ("mine", "plain.add")


def test_a_change_in_the_code_is_taken_over_by_an_untouched_row(code: Callable[..., Any], drive: Any) -> None:  # fmt: skip
    code({"x": ADD, "y": {**ADD, "options": {"expires": 5}}})
    drive.sql.execute("select pause('x', 'a while', now() + interval '1 hour')")
    rows = code({"x": {**ADD, "schedule": 30.0}, "y": {**ADD, "task": "plain.free"}})

    assert rows["x"]["every"] == timedelta(seconds=30)
    assert rows["x"]["pause_reason"] == "a while"
    assert (rows["y"]["task"], rows["y"]["expires"]) == ("plain.free", None)


def test_an_edited_row_stays_edited_and_a_deleted_one_deleted_each_said_once(
    code: Callable[..., Any], drive: Any
) -> None:
    code({"x": ADD, "y": ADD})
    drive.edit("x", every=HOUR)
    drive.sql.execute("delete from schedule where name = 'y'")

    with capture_logs() as told:
        for change in (600.0, 600.0, 700.0, 800.0):
            rows = code({"x": {**ADD, "schedule": change}, "y": ADD})
            assert rows["x"]["every"] == HOUR
            assert "y" not in rows
    events = sorted(
        (line["event"], line["name"]) for line in told if line["event"].startswith("entry.")
    )
    assert events == [("entry.deleted", "y"), ("entry.edited", "x")]


def test_an_entry_that_leaves_the_code_is_disabled_and_comes_back(code: Callable[..., Any]) -> None:
    code({"x": ADD})
    rows = code({})
    assert (rows["x"]["enabled"], rows["x"]["note"]) == (
        False,
        "no longer in beat_schedule of the code",
    )
    rows = code({"x": {**ADD, "schedule": 30.0}})
    assert (rows["x"]["enabled"], rows["x"]["every"]) == (True, timedelta(seconds=30))


def test_an_entry_that_cannot_be_a_row_is_said_and_stops_no_other(
    code: Callable[..., Any],
) -> None:
    entries = {
        "a": {"task": "no.such.task", "schedule": 5.0},
        "b": {**ADD, "kwargs": {"wrong": 1}},
        "c": {**ADD, "options": {"exchange": "x"}},
        "d": {"schedule": 5.0},
        "e": ADD,
    }
    with capture_logs() as lines:
        rows = code(entries)
    assert rows.keys() == {"e"}
    told = "\n".join(str(line.get("error")) for line in lines)
    for reason in (
        "no worker knows a task",
        'has no argument "wrong"',
        "cannot keep the option exchange",
    ):
        assert reason in told


def test_an_entry_that_is_added_while_beat_runs_is_a_row(drive: Any, plain: Any) -> None:
    drive.work()
    drive.scheduler.add(name="late one", task="plain.add", schedule=30, args=(1,))
    drive.work()
    assert drive.one("select title from schedule where name = 'late-one'") == {"title": "late one"}

    entry = ScheduleEntry("another", "plain.whoami", schedule=60, app=drive.scheduler.app)
    drive.scheduler.set_schedule({"another": entry})
    drive.work()
    assert drive.all("select name, enabled from schedule order by name") == [
        {"name": "another", "enabled": True}, {"name": "late-one", "enabled": False},
    ]  # fmt: skip
