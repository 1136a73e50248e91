"""What becomes of due times: runs, skipped and missed rows, each exactly once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.waiting import wait_for
from workers.settings import settings

MINUTE = timedelta(minutes=1)


def begin(drive: Any, name: str, **columns: Any) -> None:
    """A schedule of a minute whose first run has begun."""
    drive.schedule(name, **{"every": MINUTE, **columns})
    drive.work(rounds=2)


def test_a_due_time_becomes_a_run_and_an_announced_batch_of_one_id(drive: Any) -> None:
    drive.schedule("one", priority=9, timeout=timedelta(minutes=5), max_attempts=7)
    drive.work()
    (run,) = drive.runs("one")
    assert (run["state"], run["trigger"], run["exclusive"]) == ("due", "schedule", True)
    assert (run["priority"], run["max_attempts"], run["timeout"]) == (9, 7, timedelta(minutes=5))
    assert (run["batch_count"], run["open_batches"]) == (1, 1)
    (batch,) = drive.all("select * from batch")
    assert (batch["run_id"], batch["seq"], batch["state"], batch["sends"]) == (run["id"], 0, "sent", 0)
    assert drive.queued_ids() == [run["id"]]
    assert drive.doorbells() == ["upkeep"]


def test_a_message_of_its_own_names_the_schedule(drive: Any) -> None:
    drive.old_worker("upkeep")
    drive.schedule("one")
    drive.work()
    assert drive.queued_ids() == [drive.runs("one")[0]["id"]]
    headers = drive.queued()[0]["headers"]
    assert headers["celery_beat_task"] is True
    assert headers["periodic_task_name"] == "one"


def test_missed_due_times_become_one_run_that_covers_them(drive: Any) -> None:
    begin(drive, "late")
    drive.end("late")
    drive.work(timedelta(minutes=10, seconds=30))
    run = drive.runs("late")[-1]
    assert run["covers_count"] == 10
    assert run["due_at"] - run["covers_from"] == 9 * MINUTE


def test_catch_up_all_runs_every_due_time(drive: Any) -> None:
    begin(drive, "every-one", catch_up="all", overlap="allow_all")
    drive.work(timedelta(minutes=10, seconds=30))
    runs = drive.runs("every-one")
    gaps = {later["due_at"] - earlier["due_at"] for earlier, later in itertools.pairwise(runs)}
    assert len(runs) == 11
    assert gaps == {MINUTE}


def test_catch_up_none_leaves_one_missed_row_with_its_span(drive: Any) -> None:
    begin(drive, "none", catch_up="none")
    drive.end("none")
    drive.work(timedelta(minutes=10, seconds=30))
    missed, run = drive.runs("none")[-2:]
    assert (missed["state"], missed["covers_count"]) == ("missed", 9)
    assert run["state"] == "due"


def test_what_is_older_than_the_window_is_given_up_in_one_row(drive: Any) -> None:
    begin(drive, "old", catch_up="all", overlap="allow_all", catch_up_window=5 * MINUTE)
    drive.work(timedelta(minutes=60, seconds=30))
    missed = [run for run in drive.runs("old") if run["state"] == "missed"]
    own = [run for run in drive.runs("old") if run["state"] == "due"]
    assert len(missed) == 1
    assert "catch_up_window" in missed[0]["reason"]
    assert missed[0]["covers_count"] + len(own) == 61


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["due", "skipped", "skipped"]),
        ("buffer_one", ["due", "held", "skipped"]),
        ("buffer_all", ["due", "held", "held"]),
        # The first has not begun, so stopping it takes no time.
        ("cancel_other", ["stopped", "skipped", "due"]),
        ("allow_all", ["due", "due", "due"]),
    ],
)
def test_overlap(drive: Any, overlap: str, expected: list[str]) -> None:
    begin(drive, "long", overlap=overlap)
    drive.work(timedelta(seconds=65))
    drive.work(timedelta(seconds=125))
    assert drive.states("long") == expected
    reasons = [run["reason"] for run in drive.runs("long")]
    assert all(reason for state, reason in zip(expected, reasons, strict=True) if state != "due")


def test_cancel_other_holds_the_new_run_until_the_running_one_has_stopped(drive: Any) -> None:
    begin(drive, "long", overlap="cancel_other")
    drive.start("long")
    drive.work(timedelta(seconds=65))
    drive.work(timedelta(seconds=65))
    assert drive.states("long") == ["running", "held"]
    assert drive.runs("long")[0]["stop_requested_at"] is not None
    drive.end("long", "stopped")
    drive.work()
    assert drive.states("long") == ["stopped", "due"]


def test_of_several_due_times_at_once_cancel_other_starts_only_the_last(drive: Any) -> None:
    begin(drive, "long", overlap="cancel_other", catch_up="all", max_runs=3)
    drive.end("long")
    drive.work(timedelta(seconds=245))

    runs = drive.runs("long")
    assert [run["state"] for run in runs] == ["succeeded", "skipped", "skipped", "skipped", "due"]
    assert {run["reason"] for run in runs[1:4]} == {"a newer run took its place"}
    assert [run["id"] for run in runs[4:]] == drive.queued_ids()[-1:]
    assert drive.state("long")["runs_counted"] == 2


def test_of_several_due_times_at_once_the_last_waits_for_a_running_one_to_stop(drive: Any) -> None:
    begin(drive, "long", overlap="cancel_other", catch_up="all")
    drive.start("long")
    drive.work(timedelta(seconds=185))

    assert drive.states("long") == ["running", "skipped", "skipped", "held"]
    assert drive.runs("long")[0]["stop_requested_at"] is not None


def test_a_held_run_starts_when_the_last_has_ended(drive: Any) -> None:
    begin(drive, "long", overlap="buffer_one")
    drive.work(timedelta(seconds=65))
    drive.work()
    assert drive.states("long") == ["due", "held"]
    drive.end("long")
    drive.work()
    assert drive.states("long") == ["succeeded", "due"]
    assert drive.runs("long")[1]["id"] in drive.queued_ids()


def test_held_runs_start_one_after_the_other_in_their_order(drive: Any) -> None:
    begin(drive, "long", overlap="buffer_all")
    drive.work(timedelta(seconds=65))
    drive.work(timedelta(seconds=125))
    for expected in (["succeeded", "due", "held"], ["succeeded", "succeeded", "due"]):
        drive.end("long")
        drive.work()
        assert drive.states("long") == expected


def test_an_exclusive_held_run_waits_even_when_the_policy_was_changed(drive: Any) -> None:
    begin(drive, "long", overlap="buffer_one")
    drive.work(timedelta(seconds=65))
    drive.edit("long", overlap="allow_all")
    drive.work()
    assert drive.states("long") == ["due", "held"]
    drive.end("long")
    drive.work()
    assert drive.states("long") == ["succeeded", "due"]


def test_max_runs_ends_a_schedule(drive: Any) -> None:
    begin(drive, "twice", max_runs=2, overlap="allow_all", catch_up="all")
    drive.work(timedelta(minutes=10))
    assert drive.states("twice") == ["due", "due"]
    assert drive.state("twice")["next_run_at"] is None


def test_a_kind_runs_no_more_than_its_most_at_once(drive: Any) -> None:
    drive.sql.execute("update task_kind set max_running = 2 where name = 'tests.noop'")
    for name in ("a", "b", "c"):
        drive.schedule(name)
    drive.work()
    assert sorted(drive.states("a") + drive.states("b") + drive.states("c")) == ["due", "due", "held"]
    first = next(name for name in ("a", "b", "c") if drive.states(name) == ["due"])
    drive.end(first)
    drive.work()
    states = sorted(drive.states("a") + drive.states("b") + drive.states("c"))
    assert states == ["due", "due", "succeeded"]


def test_a_row_that_no_longer_makes_sense_is_set_aside_and_the_others_go_on(drive: Any) -> None:
    drive.schedule("good")
    for name in ("bad-cron", "bad-zone", "bad-start", "bad-task", "bad-calendar"):
        drive.schedule(name)
    drive.work(rounds=2)
    for name in drive.all("select name from schedule"):
        drive.end(name["name"])
    # A restored dump: nothing checks what it holds.
    drive.sql.execute("alter table schedule disable trigger all")
    drive.sql.execute("alter table schedule drop constraint schedule_task_fkey")
    drive.edit("bad-cron", every=None, cron="61 * * * *")
    drive.edit("bad-zone", every=None, cron="0 * * * *", timezone="Mars/Phobos")
    drive.edit("bad-start", ends_at="infinity")
    drive.edit("bad-task", task="tests.gone")
    drive.edit("bad-calendar", calendar="XXXX")
    drive.work(timedelta(hours=2))
    assert drive.states("good") == ["succeeded", "due"]
    for name in ("bad-cron", "bad-zone", "bad-start", "bad-task", "bad-calendar"):
        state = drive.state(name)
        assert state["error"], name
        assert state["error_at"] is not None
        assert state["claim_at"] is None
    assert "tests.gone" in drive.state("bad-task")["error"]
    assert "infinity" in drive.state("bad-start")["error"].lower()


def test_an_edit_lets_beat_try_again(drive: Any) -> None:
    drive.schedule("bad")
    drive.work(rounds=2)
    drive.sql.execute("alter table schedule disable trigger all")
    drive.edit("bad", ends_at="infinity")
    drive.work(timedelta(hours=2))
    assert drive.state("bad")["error"]
    drive.sql.execute("alter table schedule enable trigger all")
    drive.edit("bad", ends_at=None)
    drive.work()
    state = drive.state("bad")
    assert state["error"] is None
    assert state["next_run_at"] is not None


def test_a_row_that_postgres_refuses_is_set_aside_alone(drive: Any) -> None:
    drive.schedule("good")
    drive.schedule("bad")
    drive.work(rounds=2)
    drive.end("good")
    drive.sql.execute(
        "alter table run add constraint refused check (schedule <> 'bad' or state <> 'skipped')"
    )
    drive.work(timedelta(minutes=61))
    assert drive.states("good") == ["succeeded", "due"]
    assert "refused" in drive.state("bad")["error"]


def test_a_thousand_bad_rows_delay_nothing(drive: Any) -> None:
    drive.sql.execute("alter table schedule disable trigger all")
    drive.sql.execute(
        "insert into schedule (name, task, cron, revision)"
        " select 'bad-' || n, 'tests.noop', 'x y z', 1 from generate_series(1, 1000) n"
    )
    drive.sql.execute(
        "insert into schedule_state (schedule, planned_revision, next_run_at, claim_at)"
        " select name, 1, now() - interval '1 hour', now() - interval '1 hour' from schedule"
    )
    drive.sql.execute("alter table schedule enable trigger all")
    drive.schedule("good")
    began = time.monotonic()
    drive.work(rounds=6)
    assert drive.states("good") == ["due"]
    assert time.monotonic() - began < 5
    errors = drive.one("select count(*) as n from schedule_state where error is not null")
    assert errors["n"] == 1000


def together(beats: list[Any], now: datetime, done: Callable[[], bool]) -> None:
    """Each beat ticks in a thread of its own until all is done, however often it finds what the other has locked."""
    failures: list[BaseException] = []

    def run(beat: Any) -> None:
        try:
            wait_for(lambda: (beat.work(now), done())[1], 40.0, 0.001)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(beat,)) for beat in beats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_beats_share_the_work_and_nothing_is_claimed_twice(
    drive: Any, new_beat: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        drive.schedule(f"s-{number}", every="5 seconds", catch_up="all", overlap="allow_all")
    drive.work()
    until = drive.now() + MINUTE
    beats = [new_beat(), new_beat()]
    for beat in beats:
        beat.work()
    left = "select exists (select from schedule_state where claim_at <= %s) as some"
    together(beats, until, lambda: not drive.one(left, until)["some"])
    rows = drive.all(
        "select schedule, count(*) as n, count(distinct due_at) as due,"
        " max(due_at) - min(due_at) as span from run group by schedule"
    )
    assert len(rows) == 300
    assert all(row["n"] == row["due"] for row in rows)
    assert all(row["span"] == (row["n"] - 1) * timedelta(seconds=5) for row in rows)
    assert len(drive.queued_ids()) == len(set(drive.queued_ids())) == sum(row["n"] for row in rows)


def test_two_beats_together_start_no_more_of_a_kind_than_its_most(
    drive: Any, new_beat: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_CLAIM_LIMIT", "5")
    settings.cache_clear()
    drive.sql.execute("update task_kind set max_running = 7 where name = 'tests.noop'")
    beats = [new_beat(), new_beat()]
    for beat in beats:
        beat.work()
    start = drive.now() + MINUTE
    for number in range(60):
        drive.schedule(f"s-{number}", starts_at=start)
    drive.work()

    together(beats, start, lambda: drive.one("select count(*) as n from run")["n"] == 60)
    counted = drive.one("select count(*) as n from run where state = 'due'")
    assert counted["n"] == 7
    assert drive.one("select count(*) as n from run where state = 'held'")["n"] == 53


def test_after_a_long_outage_one_tick_writes_a_bounded_number_of_runs(drive: Any) -> None:
    for number in range(60):
        begin_columns = {"every": MINUTE, "catch_up": "all", "overlap": "allow_all"}
        drive.schedule(f"s-{number}", **begin_columns)
    drive.work(rounds=2)
    until = timedelta(minutes=90, seconds=30)
    drive.work(until)
    assert drive.one("select count(*) as n from run")["n"] < 60 + 1200
    drive.work(until, rounds=8)
    assert drive.one("select count(*) as n from run")["n"] == 60 * 91


def test_jitter_moves_the_start_but_not_the_due_time(drive: Any) -> None:
    drive.schedule("spread", every=MINUTE, jitter=timedelta(seconds=50))
    drive.work()
    state = drive.state("spread")
    assert state["next_run_at"] <= state["claim_at"] < state["next_run_at"] + MINUTE


def test_a_beat_that_is_behind_claims_the_newest_due_times_beside_the_oldest(drive: Any) -> None:
    for number in range(10):
        drive.schedule(f"due-{number}", overlap="allow_all")
    drive.work(rounds=3)
    drive.sql.execute(
        "update schedule_state set next_run_at = at, claim_at = at from (select name, clock_timestamp()"
        " - interval '1 minute' + right(name, 1)::int * interval '1 second' as at from schedule) s"
        " where schedule = s.name"
    )
    drive.sql.execute("delete from run")
    drive.scheduler._context.limit = 4

    drive.work()
    drive.work()
    claimed = {run["schedule"] for run in drive.all("select schedule from run")}
    # It found as many as it may, and then took the newest too.
    assert claimed == {f"due-{number}" for number in (0, 1, 2, 3, 4, 5, 8, 9)}

    drive.work(rounds=2)
    assert len(drive.all("select schedule from run where state = 'due'")) == 10
