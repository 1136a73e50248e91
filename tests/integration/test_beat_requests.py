"""What people ask of beat, and its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg

HOUR = timedelta(hours=1)


def answer(drive: Any) -> str:
    return drive.one("select answer from run_request order by id desc limit 1")["answer"]  # type: ignore[no-any-return]


def quiet(drive: Any, name: str = "asked", **columns: Any) -> None:
    """A schedule that is not due by itself."""
    drive.schedule(name, **{"starts_at": drive.now() + timedelta(days=30), **columns})
    drive.work()


def test_run_now_starts_a_run_and_names_who_asked(drive: Any) -> None:
    quiet(drive)
    drive.sql.execute("select set_config('app.actor', 'ada', false)")
    drive.sql.execute("select run_now('asked', 'to see')")
    drive.work()
    (run,) = drive.runs("asked")
    assert (run["state"], run["trigger"], run["requested_by"]) == ("due", "manual", "ada")
    assert answer(drive) == "started"
    assert drive.queued_ids() == [run["id"]]


def test_run_now_obeys_the_overlap_policy(drive: Any) -> None:
    quiet(drive)
    for _ in range(2):
        drive.sql.execute("select run_now('asked')")
        drive.work()
    assert drive.states("asked") == ["due", "skipped"]
    assert "still running" in answer(drive)


def test_options_of_a_request_are_laid_over_the_schedules(drive: Any) -> None:
    drive.sql.execute(
        """update task_kind set options_schema =
           '{"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}'
           where name = 'tests.noop'"""
    )
    quiet(drive, options={"a": 1, "b": 1})
    drive.sql.execute("""select run_now('asked', null, '{"b": 2}')""")
    drive.work()
    assert drive.runs("asked")[0]["options"] == {"a": 1, "b": 2}


def test_a_backfill_runs_every_due_time_of_its_range_ends_included(drive: Any) -> None:
    quiet(drive, every=HOUR)
    start = drive.one("select anchor_at from schedule_state")["anchor_at"]
    first, last = start - 48 * HOUR, start - 44 * HOUR
    drive.sql.execute("select backfill('asked', %s, %s, 'allow_all')", (first, last))
    drive.work()
    runs = drive.runs("asked")
    assert [run["due_at"] for run in runs] == [first + n * HOUR for n in range(5)]
    assert {run["trigger"] for run in runs} == {"backfill"}
    assert len(drive.queued()) == 5


def test_a_long_backfill_goes_on_from_tick_to_tick(drive: Any) -> None:
    quiet(drive, every=HOUR, overlap="skip")
    start = drive.one("select anchor_at from schedule_state")["anchor_at"]
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 250 * HOUR, start - HOUR))
    drive.work()
    assert len(drive.runs("asked")) == 100
    drive.work(rounds=2)
    assert len(drive.runs("asked")) == 250
    # Its own policy buffers: one runs, the others wait.
    assert drive.states("asked").count("due") == 1
    assert drive.states("asked").count("held") == 249
    assert answer(drive) == "every due time of the range has its run"


def test_a_buffered_backfill_of_a_schedule_that_allows_all_runs_one_by_one(drive: Any) -> None:
    quiet(drive, every=HOUR, overlap="allow_all")
    start = drive.one("select anchor_at from schedule_state")["anchor_at"]
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 3 * HOUR, start - HOUR))
    drive.work(rounds=3)
    assert drive.states("asked") == ["due", "held", "held"]
    drive.end("asked")
    drive.work(rounds=3)
    assert drive.states("asked") == ["succeeded", "due", "held"]


def test_a_retry_repeats_a_run_with_its_options(drive: Any) -> None:
    quiet(drive)
    drive.sql.execute("select run_now('asked')")
    drive.work()
    (old,) = drive.runs("asked")
    drive.sql.execute("select retry_run(%s)", (old["id"],))
    drive.work()
    assert answer(drive) == "it has not ended yet, it is due"
    drive.end("asked", "failed")
    drive.sql.execute("select retry_run(%s)", (old["id"],))
    drive.work()
    run = drive.runs("asked")[-1]
    assert (run["state"], run["trigger"], run["retry_of"]) == ("due", "retry", old["id"])


def test_a_request_for_a_locked_schedule_waits_and_others_do_not(drive: Any, database: Any) -> None:
    quiet(drive, "held-up")
    quiet(drive, "free")
    drive.sql.execute("select run_now('held-up')")
    drive.sql.execute("select run_now('free')")
    with psycopg.connect(database.url) as other:
        other.execute("delete from schedule where name = 'held-up'")
        drive.work()
        assert drive.states("free") == ["due"]
        assert drive.states("held-up") == []
        other.rollback()
    drive.work()
    assert drive.states("held-up") == ["due"]


def test_a_request_for_a_schedule_that_is_gone_is_answered(drive: Any) -> None:
    quiet(drive)
    drive.sql.execute("select run_now('asked')")
    drive.sql.execute("delete from schedule")
    drive.work()
    assert answer(drive) == 'there is no schedule named "asked"'
