"""What beat concludes from runs that ended, took too long, or were asked to stop."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from beat.tick import claim_rate
from beat.tick.claim_rate import ClaimRate
from workers.settings import settings

MINUTE = timedelta(minutes=1)


def fail(drive: Any, name: str, times: int) -> None:
    for number in range(times):
        drive.sql.execute("select run_now(%s)", (name,))
        drive.work()
        drive.end(name, "failed", error=f"upstream said {number}")
        drive.work()


def test_failures_in_a_row_pause_a_schedule_and_say_why(drive: Any) -> None:
    drive.schedule("weak", pause_after_failures=3, starts_at=drive.now() + timedelta(days=1))
    drive.work()
    fail(drive, "weak", 2)
    assert drive.state("weak")["consecutive_failures"] == 2
    assert drive.state("weak")["tripped_at"] is None
    fail(drive, "weak", 1)
    state = drive.state("weak")
    assert state["tripped_at"] is not None
    assert state["tripped_reason"] == "3 failed runs in a row, the last: upstream said 0"
    assert state["next_run_at"] is None
    drive.sql.execute("select resume('weak')")
    drive.work()
    state = drive.state("weak")
    assert state["tripped_at"] is None
    assert state["consecutive_failures"] == 0
    assert state["next_run_at"] is not None


def test_a_success_between_failures_counts_from_nothing(drive: Any) -> None:
    drive.schedule("mixed", starts_at=drive.now() + timedelta(days=1))
    drive.work()
    fail(drive, "mixed", 2)
    since = "select since from trouble where kind = 'failing'"
    first = "select min(finished_at) as since from run where state = 'failed'"
    assert drive.one(since) == drive.one(first)
    drive.sql.execute("select run_now('mixed')")
    drive.work()
    drive.end("mixed", "partial")
    drive.work()
    assert drive.state("mixed")["consecutive_failures"] == 0
    fail(drive, "mixed", 1)
    assert drive.state("mixed")["consecutive_failures"] == 1
    assert drive.one(since) == drive.one("select max(finished_at) as since from run")


@pytest.mark.outside(10)
@pytest.mark.parametrize(
    ("share", "total", "failed", "deferred", "after"),
    [
        (0.5, 500, 499, 0, 2),
        (0.5, 500, 250, 0, 2),
        (0.5, 500, 249, 0, 0),
        (0.01, 500, 5, 0, 2),
        (1, 500, 499, 0, 0),
        (0.5, 500, 0, 480, 0),
        # What was deferred was not tried: all that was tried failed.
        (0.5, 500, 10, 490, 2),
        # Never told of, and no recovery either.
        (None, 500, 499, 0, 1),
        (None, 500, 0, 480, 0),
    ],
)
def test_a_partial_run_counts_by_its_share_of_failed_items(
    drive: Any, share: float | None, total: int, failed: int, deferred: int, after: int
) -> None:
    drive.schedule("some", alert_on_partial=share, starts_at=drive.now() + timedelta(days=1))
    drive.work()
    fail(drive, "some", 1)
    drive.sql.execute("select run_now('some')")
    drive.work()
    drive.sql.execute(
        "update run set total = %s, failed = %s, deferred = %s, done = %s where state = 'due'",
        (total, failed, deferred, total - failed - deferred),
    )
    drive.end("some", "partial", error="symbol X: no answer")
    drive.work()

    assert drive.state("some")["consecutive_failures"] == after
    if after == 2:
        row = drive.one("select title, text from trouble where kind = 'failing'")
        assert row == {
            "title": "some failed 2 times in a row",
            "text": f"{failed} of {total} items failed: symbol X: no answer",
        }


@pytest.mark.outside(10)
def test_partial_is_no_success_in_the_views(drive: Any) -> None:
    drive.schedule("some", starts_at=drive.now() + timedelta(days=1))
    for state in ("succeeded", "partial", "partial", "failed"):
        drive.work()
        drive.sql.execute("select run_now('some')")
        drive.work()
        drive.start("some")
        drive.end("some", state)
    drive.work()

    row = drive.one("select success_rate, partial_rate from schedule_detail where name = 'some'")
    assert row == {"success_rate": "25 %", "partial_rate": "50 %"}


@pytest.mark.outside(10)
def test_people_are_told_of_the_first_failure_unless_the_schedule_says_otherwise(drive: Any) -> None:
    drive.schedule("first", starts_at=drive.now() + timedelta(days=1))
    drive.schedule("third", alert_after=3, starts_at=drive.now() + timedelta(days=1))
    drive.work()
    told = "select subject from trouble where kind = 'failing' order by 1"
    for number, expected in enumerate((["first"], ["first"], ["first", "third"]), start=1):
        fail(drive, "first", 1)
        fail(drive, "third", 1)
        assert [row["subject"] for row in drive.all(told)] == expected, number


def test_a_stopped_run_is_no_failure(drive: Any) -> None:
    drive.schedule("stopped")
    drive.work()
    drive.end("stopped", "stopped")
    drive.work()
    assert drive.state("stopped")["consecutive_failures"] == 0


def test_a_schedule_follows_the_success_of_another_once(drive: Any) -> None:
    drive.schedule("first")
    drive.schedule("second", after="first")
    drive.work(rounds=2)
    assert drive.runs("second") == []
    drive.end("first")
    drive.work(rounds=3)
    (run,) = drive.runs("second")
    assert (run["state"], run["trigger"]) == ("due", "after")
    assert run["due_at"] == drive.runs("first")[0]["finished_at"]
    assert run["id"] in drive.queued_ids()


def test_while_many_come_due_ends_are_counted_later_but_what_follows_is_not(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_rate, "SPAN", 600.0)
    drive.schedule("alone")
    drive.schedule("first")
    drive.schedule("second", after="first")
    drive.work(rounds=2)
    context = drive.scheduler._context
    context.rate = ClaimRate(gather_seconds=60.0)
    context.rate.add(100_000, time.monotonic())
    context.concluded_at = time.monotonic()

    drive.end("alone")
    drive.scheduler.work()
    assert [run["counted"] for run in drive.runs("alone")] == [False]
    drive.end("first")
    drive.scheduler.work()
    assert drive.states("second") == ["due"]


def test_nothing_follows_a_failure_and_a_paused_schedule_does_not_follow(drive: Any) -> None:
    drive.schedule("first", every=MINUTE)
    drive.schedule("second", after="first")
    drive.work(rounds=2)
    drive.end("first", "failed")
    drive.work()
    assert drive.runs("second") == []
    drive.edit("second", paused_until="infinity")
    drive.work(timedelta(seconds=61))
    drive.end("first")
    drive.work(rounds=2)
    assert drive.runs("second") == []


@pytest.mark.parametrize(("day", "states"), [(0, ["due"]), (1, []), (None, [])])
def test_what_follows_keeps_to_the_trading_days_of_its_calendar(
    drive: Any, day: int | None, states: list[str]
) -> None:
    if day is not None:
        # By the local date of the exchange; its hours do not matter.
        add = """insert into market_session select 'XNYS', d, d + interval '14 hours', d + interval '21 hours'
                   from (select (clock_timestamp() at time zone 'America/New_York')::date + %s as d) one"""
        drive.sql.execute(add, (day,))
    drive.schedule("first")
    drive.schedule("second", after="first", calendar="XNYS")
    drive.work(rounds=2)
    drive.end("first")
    drive.work(rounds=2)
    assert drive.states("second") == states


def test_nothing_follows_while_everything_is_paused(drive: Any) -> None:
    drive.schedule("first")
    drive.schedule("second", after="first")
    drive.work(rounds=2)
    drive.sql.execute("select pause_all('restored from a backup')")
    drive.end("first")
    drive.work(rounds=2)
    assert drive.runs("second") == []


def test_a_run_over_its_time_is_ended_whoever_works_on_it(drive: Any) -> None:
    drive.schedule("slow", timeout=MINUTE)
    drive.work()
    drive.start("slow")
    drive.work(timedelta(seconds=30))
    assert drive.states("slow") == ["running"]
    drive.work(timedelta(seconds=65))
    (run,) = drive.runs("slow")
    assert run["state"] == "failed"
    assert "timeout" in run["error"]
    assert drive.one("select state from batch")["state"] == "failed"


def test_a_stop_ends_what_has_not_begun_and_asks_what_runs(drive: Any) -> None:
    drive.schedule("idle")
    drive.schedule("busy")
    drive.work()
    drive.start("busy")
    for name in ("idle", "busy"):
        drive.sql.execute("select stop_run(%s, 'too loud')", (drive.runs(name)[0]["id"],))
    drive.work(rounds=2)
    (idle,) = drive.runs("idle")
    assert idle["state"] == "stopped"
    assert "too loud" in idle["reason"]
    (busy,) = drive.runs("busy")
    assert busy["state"] == "running"
    assert busy["stop_requested_at"] is not None


def test_a_batch_whose_lease_ended_is_taken_back_but_not_before_one_lease_of_ours(
    monkeypatch: pytest.MonkeyPatch, drive: Any, eventually: Any
) -> None:
    monkeypatch.setenv("WATCHKEEPER_LEASE_SECONDS", "1")
    settings.cache_clear()
    drive.scheduler._context = None
    drive.schedule("killed")
    drive.work()
    drive.start("killed")
    drive.redis.flushall()
    drive.work(MINUTE)
    # This beat has just come: the worker may be alive and only Postgres was away.
    assert drive.one("select state from batch")["state"] == "running"
    drive.scheduler._context.connected_at -= 60
    eventually(
        lambda: drive.one("select clock_timestamp() - pg_postmaster_start_time() > '1 s' as up")["up"]
    )
    # Postgres or this beat stood still between two ticks: signs of life may be on their way.
    drive.scheduler._context.seen_at -= 60
    drive.work(MINUTE)
    assert drive.one("select state from batch")["state"] == "running"
    drive.scheduler._context.connected_at -= 60
    drive.work(MINUTE)
    batch = drive.one("select state, deaths from batch")
    assert (batch["state"], batch["deaths"]) == ("sent", 1)
    assert len(drive.queued()) == 1


def test_what_plans_anew_without_an_edit_leaves_an_automatic_pause(drive: Any) -> None:
    drive.schedule("weak", pause_after_failures=1)
    drive.work()
    drive.end("weak", "failed", error="upstream said 0")
    drive.work()
    drive.sql.execute("select pause_all('maintenance')")
    drive.work()
    drive.sql.execute("select resume_all()")
    drive.work()

    state = drive.state("weak")
    assert state["tripped_reason"].endswith("upstream said 0")
    assert state["next_run_at"] is None
    drive.sql.execute("select resume('weak')")
    drive.work()
    state = drive.state("weak")
    assert state["tripped_at"] is None
    assert state["next_run_at"] is not None


def news(database: Any, act: Callable[[], object]) -> list[str]:
    """What beat would hear of ``act``."""
    with database.connect() as listener:
        listener.execute("listen watchkeeper")
        act()
        return [notice.payload for notice in listener.notifies(timeout=0.3)]


def test_the_end_of_a_run_wakes_beat_when_somebody_waits_for_it(drive: Any, database: Any) -> None:
    drive.schedule("alone")
    drive.schedule("leader")
    drive.schedule("follower", after="leader")
    drive.schedule("buffered", overlap="buffer_one")
    drive.work()
    drive.sql.execute("select run_now('buffered')")
    drive.work()
    assert sorted(drive.states("buffered")) == ["due", "held"]

    assert news(database, lambda: drive.end("alone")) == []
    assert news(database, lambda: drive.end("leader")) == ["end"]
    assert news(database, lambda: drive.end("buffered")) == ["end"]


def test_a_held_run_of_a_full_kind_is_waited_for_too(drive: Any, database: Any) -> None:
    drive.sql.execute("update task_kind set max_running = 1 where name = 'tests.noop'")
    drive.schedule("one")
    drive.schedule("two")
    drive.work()
    (running,) = drive.all("select schedule from run where state = 'due'")

    assert news(database, lambda: drive.end(running["schedule"])) == ["end"]


def test_a_run_that_nobody_begins_in_time_expires_without_any_worker(drive: Any) -> None:
    drive.schedule("alone", every=timedelta(hours=1), expires=timedelta(minutes=5))
    drive.work(timedelta(minutes=61))
    assert drive.states("alone") == ["due"]

    drive.work(timedelta(minutes=64))
    assert drive.states("alone") == ["due"]

    drive.work(timedelta(minutes=68), rounds=2)
    (run,) = drive.runs("alone")
    batch = drive.one("select * from batch where run_id = %s", run["id"])
    assert (run["state"], run["open_batches"], run["counted"]) == ("expired", 0, True)
    assert re.match(r"not started within its time: 7 minutes( \d seconds?)? late$", run["reason"])
    assert (batch["state"], batch["error"], batch["send_at"]) == ("stopped", run["reason"], None)
    assert drive.state("alone")["last_state"] == "expired"


def test_a_start_that_jitter_delays_expires_no_sooner(drive: Any) -> None:
    jitter, expires = timedelta(minutes=59), timedelta(seconds=30)
    drive.schedule(
        "spread", every=timedelta(hours=1), jitter=jitter, expires=expires, overlap="allow_all"
    )
    drive.work()
    for hour in range(1, 4):
        claim_at = drive.state("spread")["claim_at"]
        drive.work(claim_at - drive.now() + timedelta(seconds=1))
        run = drive.runs("spread")[-1]
        assert (run["state"], run["expires_at"]) == ("due", claim_at + expires), hour


def test_a_run_that_has_begun_does_not_expire(drive: Any) -> None:
    drive.schedule("begun", every=timedelta(hours=1), expires=timedelta(minutes=5))
    drive.work(timedelta(minutes=61))
    drive.start("begun")

    drive.work(timedelta(minutes=68))
    assert drive.states("begun") == ["running"]


def test_a_held_run_expires_while_the_one_before_it_still_works(drive: Any) -> None:
    drive.schedule("held", every=timedelta(hours=1), overlap="buffer_one", expires=timedelta(minutes=5))
    drive.work(timedelta(minutes=61))
    drive.start("held")
    drive.work(timedelta(minutes=121))
    assert drive.states("held") == ["running", "held"]

    drive.work(timedelta(minutes=128))
    assert drive.states("held") == ["running", "expired"]


def test_a_due_time_that_is_claimed_too_late_has_no_batch(drive: Any) -> None:
    drive.schedule("late", every=timedelta(hours=1), expires=timedelta(minutes=5))
    drive.work()
    drive.start("late")
    drive.end("late")
    drive.redis.flushdb()

    drive.work(timedelta(minutes=70), rounds=2)
    _, run = drive.runs("late")
    assert (run["state"], run["batch_count"], run["open_batches"]) == ("expired", 0, 0)
    assert re.match(r"not started within its time: 10 minutes( \d seconds?)? late$", run["reason"])
    assert drive.all("select * from batch where run_id = %s", run["id"]) == []
    assert drive.state("late")["last_state"] == "expired"
    assert drive.queued() == []
