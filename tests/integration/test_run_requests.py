"""What people ask of beat, and its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

HOUR = timedelta(hours=1)


def answer(drive: Any) -> str:
    return drive.one("select answer from run_request order by id desc limit 1")["answer"]  # type: ignore[no-any-return]


def quiet(drive: Any, name: str = "asked", **columns: Any) -> None:
    """A schedule that is not due by itself."""
    drive.schedule(name, **{"starts_at": drive.now() + timedelta(days=30), **columns})
    drive.work()


def begin(drive: Any) -> Any:
    """A due time of its grid that has passed, when it was made."""
    anchor = drive.one("select anchor_at from schedule_state")["anchor_at"]
    return anchor - timedelta(days=30)


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
    start = begin(drive)
    first, last = start - 48 * HOUR, start - 44 * HOUR
    drive.sql.execute("select backfill('asked', %s, %s, 'allow_all')", (first, last))
    drive.work()
    runs = drive.runs("asked")
    assert [run["due_at"] for run in runs] == [first + n * HOUR for n in range(5)]
    assert {run["trigger"] for run in runs} == {"backfill"}
    assert len(drive.queued_ids()) == 5


def test_a_backfill_leaves_what_is_still_to_come_to_the_schedule(drive: Any) -> None:
    quiet(drive, every=HOUR)
    start = begin(drive)
    ask = "select runs, last_due_at from backfill('asked', %s, %s, 'allow_all')"

    told = drive.one(ask, start - 2 * HOUR, start + 48 * HOUR)
    drive.work()

    assert told == {"runs": 3, "last_due_at": start}
    assert [run["due_at"] for run in drive.runs("asked")] == [start + n * HOUR for n in (-2, -1, 0)]


def test_a_long_backfill_goes_on_from_tick_to_tick(drive: Any) -> None:
    quiet(drive, every=HOUR, overlap="skip")
    start = begin(drive)
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 250 * HOUR, start - HOUR))
    drive.work()
    assert len(drive.runs("asked")) == 100
    drive.work(rounds=2)
    assert len(drive.runs("asked")) == 250
    # Its own policy buffers: one runs, the others wait.
    assert drive.states("asked").count("due") == 1
    assert drive.states("asked").count("held") == 249
    assert answer(drive) == "every due time of the range has its run"


def test_a_backfill_of_more_runs_than_may_wait_goes_on_when_some_have_started(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beat.time.overlap.MAX_BUFFERED", 2)
    quiet(drive, every=HOUR, overlap="allow_all")
    start = begin(drive)
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 5 * HOUR, start - HOUR))
    for done in range(5):
        drive.work(rounds=2)
        states = drive.states("asked")
        assert (states.count("due"), states.count("succeeded")) == (1, done), states
        drive.end("asked")
    assert drive.states("asked") == ["succeeded"] * 5
    assert answer(drive) == "every due time of the range has its run"


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
def test_no_due_time_is_lost_to_a_backfill_which_goes_on_after_it(drive: Any, overlap: str) -> None:
    drive.schedule("asked", every=HOUR, overlap=overlap)
    drive.work()
    drive.end("asked")
    start = drive.now()
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 3 * HOUR, start - HOUR))
    drive.work(rounds=2)
    drive.work(HOUR)
    due = drive.one(
        "select state, reason from run where trigger = 'schedule' order by due_at desc limit 1"
    )
    assert due == {"state": "held", "reason": "waits for a run of the backfill to end"}
    order = []
    for _ in range(3):
        order += [run["trigger"] for run in drive.runs("asked") if run["state"] == "due"]
        drive.end("asked")
        drive.work()
    assert order == ["backfill", "schedule", "backfill"]


def test_what_a_backfill_holds_is_not_replaced_by_a_due_time(drive: Any) -> None:
    drive.schedule("asked", every=HOUR, overlap="cancel_other")
    drive.work()
    drive.end("asked")
    start = drive.now()
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 4 * HOUR, start - HOUR))
    drive.work(rounds=2)
    drive.work(HOUR)
    held = drive.all("select trigger from run where state = 'held' order by trigger")
    assert [run["trigger"] for run in held] == ["backfill", "backfill", "schedule"]


def test_due_times_of_a_backfill_do_not_expire(drive: Any) -> None:
    quiet(drive, every=HOUR, expires=timedelta(minutes=10))
    start = begin(drive)
    drive.sql.execute("select backfill('asked', %s, %s)", (start - 3 * HOUR, start - HOUR))
    drive.work(rounds=3)
    assert drive.states("asked") == ["due", "held", "held"]
    drive.end("asked")
    drive.work(HOUR, rounds=2)
    assert drive.states("asked") == ["succeeded", "due", "held"]


ASK_BY_SYSTEM = """
insert into run_request (action, schedule, by_system, note) values ('run', 'asked', true, 'notices wait')
"""


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("update schedule set enabled = false", "not started: the schedule is disabled"),
        ("select pause('asked')", "not started: the schedule is paused"),
        ("select pause('asked', until => now() + interval '1 hour')", "not started: the schedule is paused"),
        ("select pause_all('restored from a backup')", "not started: everything is paused"),
        ("update schedule_state set tripped_at = now()", "not started: the schedule has paused itself"),
    ],
)  # fmt: skip
def test_what_is_paused_starts_when_people_ask_and_not_by_itself(
    drive: Any, edit: str, told: str
) -> None:
    quiet(drive)
    drive.sql.execute(edit)
    drive.sql.execute(ASK_BY_SYSTEM)
    drive.work()
    assert (answer(drive), drive.runs("asked")) == (told, [])
    drive.sql.execute("select run_now('asked')")
    drive.work()
    assert (answer(drive), drive.states("asked")) == ("started", ["due"])


def test_a_buffered_backfill_of_a_schedule_that_allows_all_runs_one_by_one(drive: Any) -> None:
    quiet(drive, every=HOUR, overlap="allow_all")
    start = begin(drive)
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


def test_a_dry_run_counts_what_a_backfill_would_take_and_asks_for_nothing(drive: Any) -> None:
    drive.sql.execute("update task_kind set upstream = 'alpha_vantage' where name = 'tests.noop'")
    quiet(drive, every=HOUR, overlap="allow_all")
    drive.sql.execute("select run_now('asked')")
    drive.work()
    drive.start("asked")
    drive.end("asked")
    drive.sql.execute(
        "update run set total = 7, started_at = finished_at - interval '2 minutes' where schedule = 'asked'"
    )
    drive.sql.execute(
        "insert into permit (upstream, granted_at, stamp, settled, run_id)"
        " select 'alpha_vantage', clock_timestamp(), clock_timestamp(), true, id from run, generate_series(1, 5)"
    )
    start = begin(drive)
    told = drive.one(
        "select * from backfill('asked', %s, %s, dry_run => true)", start - 9 * HOUR, start
    )

    assert told == {
        "request_id": None, "runs": 10, "first_due_at": start - 9 * HOUR, "last_due_at": start, "items": 70,
        "calls": 50, "upstream": "alpha_vantage", "quota_left": 20, "takes": "2 days",
    }  # fmt: skip
    assert drive.all("select from run_request where action = 'backfill'") == []
    drive.sql.execute("select * from backfill('asked', %s, %s)", (start - 9 * HOUR, start))
    drive.work(rounds=2)
    assert len([run for run in drive.runs("asked") if run["trigger"] == "backfill"]) == told["runs"]


def refused(drive: Any, statement: str, *values: Any) -> tuple[str | None, str | None]:
    with pytest.raises(psycopg.Error) as caught:
        drive.sql.execute(statement, values)
    return caught.value.diag.message_primary, caught.value.diag.message_hint


def test_a_backfill_that_cannot_be_is_refused_at_once(drive: Any) -> None:
    quiet(drive, every=HOUR)
    now = drive.now()
    drive.schedule("follower", after="asked")
    drive.schedule("traded", cron="0 18 * * *", calendar="XNYS")
    drive.sql.execute(
        "insert into market_session values"
        " ('XNYS', '2026-01-02', '2026-01-02 14:30Z', '2026-01-02 21:00Z'),"
        " ('XNYS', '2036-01-02', '2036-01-02 14:30Z', '2036-01-02 21:00Z')"
    )
    ask = "select * from backfill(%s, %s, %s)"

    assert (
        refused(drive, ask, "asked", now - 20000 * HOUR, now)[0]
        == "a backfill of more than 10000 runs is refused"
    )
    assert "must end after it starts" in str(refused(drive, ask, "asked", now, now - HOUR)[0])
    assert "has no due time from" in str(
        refused(drive, ask, "asked", now, now + timedelta(seconds=1))[0]
    )
    assert (
        refused(drive, ask, "follower", now - HOUR, now)[0]
        == 'schedule "follower" has no due times to backfill'
    )
    assert refused(drive, ask, "traded", "2025-12-01Z", "2026-02-01Z") == (
        "trading days of XNYS are known from 2026-01-02 on, not at 2025-12-01",
        "Begin at 2026-01-02 or later.",
    )
    assert drive.all("select from run_request") == []


def test_a_request_made_by_a_plain_insert_is_checked_too(drive: Any) -> None:
    quiet(drive)
    insert = "insert into run_request (action, schedule, run_id, options) values "

    assert refused(drive, insert + "('run', 'askd', null, null)")[0] == 'no schedule named "askd"'
    assert refused(drive, insert + "('stop', null, gen_random_uuid(), null)")[1] == (
        "The last runs: SELECT id, name FROM recent_runs LIMIT 10;"
    )
    assert (
        refused(drive, insert + """('run', 'asked', null, '{"n": 1}')""")[0]
        == 'tests.noop has no option "n"'
    )


def test_requests_record_who_asked_and_from_which_program(drive: Any, database: Any) -> None:
    quiet(drive)
    with database.connect(application_name="nightly.sh") as other:
        other.execute("select run_now('asked')")
        other.execute("select set_config('app.actor', 'ada', false)")
        other.execute("insert into run_request (action, schedule) values ('run', 'asked')")

    rows = drive.all("select requested_by, program from run_request order by id")
    assert rows == [
        {"requested_by": "watchkeeper", "program": "nightly.sh"},
        {"requested_by": "ada", "program": "nightly.sh"},
    ]
