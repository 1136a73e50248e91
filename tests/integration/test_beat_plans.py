"""An edit of a schedule, by whatever client, and what beat makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_a_new_schedule_runs_at_once(drive: Any) -> None:
    drive.schedule("fresh")
    drive.work()
    drive.work()
    assert drive.states("fresh") == ["due"]
    state = drive.state("fresh")
    assert state["next_run_at"] - state["last_due_at"] == HOUR


def test_a_new_schedule_with_a_start_waits_for_it(drive: Any) -> None:
    start = drive.now() + timedelta(days=2)
    drive.schedule("later", starts_at=start)
    drive.work(rounds=2)
    assert drive.runs("later") == []
    assert drive.state("later")["next_run_at"] == start


def test_a_new_interval_counts_from_the_last_due_time(drive: Any) -> None:
    drive.schedule("edited")
    drive.work(rounds=2)
    last = drive.state("edited")["last_due_at"]
    drive.edit("edited", every=timedelta(minutes=10))
    drive.work()
    assert drive.state("edited")["next_run_at"] == last + timedelta(minutes=10)


def test_an_edit_is_never_retroactive(drive: Any) -> None:
    drive.schedule("edited", every=timedelta(days=1))
    drive.work(rounds=2)
    drive.edit("edited", every=MINUTE)
    # Beat sees it a quarter of an hour later: fifteen due times lie behind, none of them runs.
    drive.work(timedelta(minutes=15))
    state = drive.state("edited")
    assert state["next_run_at"] > drive.now() + timedelta(minutes=14)
    assert len(drive.runs("edited")) == 1


def test_a_disabled_schedule_is_not_planned_and_enabling_fires_no_backlog(drive: Any) -> None:
    drive.schedule("sleeper", every=MINUTE)
    drive.work(rounds=2)
    drive.edit("sleeper", enabled=False)
    drive.work()
    assert drive.state("sleeper")["next_run_at"] is None
    drive.edit("sleeper", enabled=True)
    drive.work(timedelta(hours=3))
    assert len(drive.runs("sleeper")) == 1
    assert drive.state("sleeper")["next_run_at"] > drive.now() + timedelta(hours=2, minutes=59)


def test_a_paused_schedule_is_not_claimed_until_its_pause_ends(drive: Any) -> None:
    drive.schedule("paused", every=MINUTE)
    drive.work(rounds=2)
    drive.end("paused")
    until = drive.now() + HOUR
    drive.edit("paused", paused_until=until)
    drive.work()
    drive.work(timedelta(minutes=30))
    assert len(drive.runs("paused")) == 1
    due = drive.state("paused")["next_run_at"]
    assert until < due <= until + MINUTE
    drive.work(timedelta(hours=1, minutes=1))
    assert len(drive.runs("paused")) == 2


def test_all_that_came_due_before_a_pause_was_seen_is_accounted_for(drive: Any) -> None:
    drive.schedule("paused", every=MINUTE)
    drive.work(rounds=2)
    drive.end("paused")
    first = drive.state("paused")["next_run_at"]
    drive.sql.execute("select pause('paused', 'beat was away for ten minutes')")
    drive.work(timedelta(minutes=10))
    (missed,) = [run for run in drive.runs("paused") if run["state"] == "missed"]
    assert (missed["covers_from"], missed["covers_count"]) == (first, 10)
    assert missed["due_at"] == first + 9 * MINUTE
    assert missed["reason"] == "the schedule was edited before it was claimed"


def test_a_pause_for_good_plans_nothing_until_resumed(drive: Any) -> None:
    drive.schedule("paused", every=MINUTE)
    drive.work(rounds=2)
    drive.sql.execute("select pause('paused', 'too loud')")
    drive.work()
    assert drive.state("paused")["next_run_at"] is None
    drive.sql.execute("select resume('paused')")
    drive.work()
    assert drive.state("paused")["next_run_at"] is not None


def test_one_switch_pauses_everything_and_single_pauses_survive_it(drive: Any) -> None:
    drive.schedule("one")
    drive.schedule("two", paused_until="infinity")
    drive.work()
    drive.sql.execute("select pause_all('moving house')")
    drive.work()
    assert drive.state("one")["next_run_at"] is None
    drive.sql.execute("select resume_all()")
    drive.work()
    assert drive.state("one")["next_run_at"] is not None
    assert drive.state("two")["next_run_at"] is None


def test_an_edit_of_a_note_loses_no_due_time(drive: Any) -> None:
    due = drive.now() + MINUTE
    drive.schedule("noted", every=HOUR, starts_at=due)
    drive.work()
    drive.edit("noted", note="watch this one")
    drive.work(timedelta(seconds=65))
    assert [run["due_at"] for run in drive.runs("noted")] == [due]


def test_cron_follows_the_wall_clock_of_its_zone(drive: Any) -> None:
    drive.schedule("nightly", cron="30 3 * * *", timezone="Asia/Tokyo")
    drive.work()
    due = drive.one(
        "select to_char(next_run_at at time zone 'Asia/Tokyo', 'HH24:MI') as at from schedule_state"
    )
    assert due["at"] == "03:30"


def test_a_schedule_with_at_runs_once(drive: Any) -> None:
    drive.schedule("once", at=drive.now() + MINUTE)
    drive.work()
    drive.work(timedelta(minutes=2))
    drive.work(timedelta(minutes=90))
    assert len(drive.runs("once")) == 1
    assert drive.state("once")["next_run_at"] is None


@pytest.mark.parametrize("early", [timedelta(seconds=30), timedelta()])
def test_a_pause_is_obeyed_to_its_end_and_what_is_due_at_its_end_runs(
    drive: Any, early: timedelta
) -> None:
    until = drive.now() + HOUR
    drive.schedule("once", at=until - early, paused_until=until)
    told = [] if early else [{"due_at": until}]
    assert drive.all("select due_at from next_runs('once', 1)") == told
    drive.work()
    assert drive.all("select due_at from next_runs('once', 1)") == told
    drive.work(HOUR + MINUTE)
    assert drive.states("once") == ([] if early else ["due"])


def test_a_deleted_schedule_leaves_its_history(drive: Any) -> None:
    drive.schedule("gone")
    drive.work(rounds=2)
    drive.sql.execute("delete from schedule where name = 'gone'")
    drive.work()
    assert len(drive.runs("gone")) == 1
    assert drive.all("select * from schedule_state") == []
    assert drive.all("select * from schedule_edit") == []


def test_an_edit_that_no_trigger_saw_is_found_by_the_sweep(drive: Any) -> None:
    drive.schedule("silent")
    drive.work(rounds=2)
    drive.end("silent")
    drive.sql.execute("alter table schedule disable trigger user")
    drive.sql.execute("update schedule set every = '1 minute', revision = revision + 1000")
    drive.sql.execute(
        "insert into schedule (name, task, cron, revision) values"
        " ('restored', 'tests.noop', '0 0 1 1 *', 5)"
    )
    drive.scheduler._context.next_reconcile = 0.0
    drive.work()
    state = drive.state("silent")
    assert state["next_run_at"] - state["last_due_at"] == MINUTE
    assert drive.state("restored")["next_run_at"] is not None


def test_somebody_elses_open_transaction_stalls_nobody(drive: Any, database: Any) -> None:
    drive.schedule("theirs")
    drive.schedule("ours")
    drive.work(rounds=2)
    with psycopg.connect(database.url) as other:
        other.execute("update schedule set note = 'thinking' where name = 'theirs'")
        drive.edit("ours", every=timedelta(minutes=5))
        drive.work()
        state = drive.state("ours")
        assert state["next_run_at"] - state["last_due_at"] == timedelta(minutes=5)
        # Their own row goes on by what is committed.
        drive.end("theirs")
        drive.work(timedelta(minutes=61))
        assert len(drive.runs("theirs")) == 2


def test_an_open_delete_holds_up_its_own_row_alone(drive: Any, database: Any) -> None:
    drive.schedule("doomed")
    drive.schedule("kept")
    drive.work(rounds=2)
    drive.end("kept")
    drive.edit("doomed", note="edited just before")
    with psycopg.connect(database.url) as other:
        other.execute("delete from schedule where name = 'doomed'")
        drive.edit("kept", every=timedelta(minutes=5))
        drive.work()
        state = drive.state("kept")
        assert state["next_run_at"] - state["last_due_at"] == timedelta(minutes=5)
        drive.work(timedelta(minutes=6))
        assert len(drive.runs("kept")) == 2
        other.rollback()
    drive.work()
    assert drive.all("select * from schedule_edit") == []


def test_entries_of_beat_schedule_become_rows_once(drive: Any, monkeypatch: Any, new_beat: Any) -> None:
    from celery.schedules import crontab

    from workers.app import app

    drive.kind("tests.deep", options_schema='{"properties": {"deep": {"type": "boolean"}}}')
    entries = {
        "from-code": {"task": "tests.deep", "schedule": 600.0, "kwargs": {"deep": True}},
        "at-night": {"task": "tests.noop", "schedule": crontab(minute="5", hour="3")},
        "nonsense": {"task": "tests.unknown", "schedule": 600.0},
    }
    monkeypatch.setitem(app.conf, "beat_schedule", entries)
    new_beat().work()
    rows = {row["name"]: row for row in drive.all("select * from schedule")}
    assert rows["from-code"]["every"] == timedelta(minutes=10)
    assert rows["from-code"]["options"] == {"deep": True}
    assert rows["at-night"]["cron"] == "5 3 * * *"
    assert "nonsense" not in rows
    drive.edit("from-code", every=HOUR)
    new_beat().work()
    assert drive.one("select every from schedule where name = 'from-code'")["every"] == HOUR


def test_a_schedule_whose_trading_days_ran_out_goes_on_when_there_are_new_ones(drive: Any) -> None:
    now = drive.now()
    add = (
        "insert into market_session select 'XNYS', day, day + interval '14 hours', day + interval '21 hours'"
        " from generate_series(%s::date, %s::date, interval '1 day') d, lateral (select d::date as day) one"
    )
    drive.sql.execute(add, (now - timedelta(days=9), now - timedelta(days=2)))
    drive.schedule("traded", every=timedelta(hours=1), calendar="XNYS")
    drive.work()
    assert drive.state("traded")["next_run_at"] is None
    drive.sql.execute(add, (now + timedelta(days=2), now + timedelta(days=4)))
    drive.work()
    state = drive.state("traded")
    assert state["next_run_at"] >= now + timedelta(days=1)
    assert drive.all("select due_at from next_runs('traded', 1)") == [{"due_at": state["next_run_at"]}]
    drive.sql.execute(
        "delete from market_session where session_date < %s", ((now + timedelta(days=4)).date(),)
    )
    drive.work()
    assert drive.state("traded")["next_run_at"] >= now + timedelta(days=3)


def test_a_calendar_without_any_trading_day_is_set_aside_until_it_has_some(drive: Any) -> None:
    drive.schedule("traded", every=timedelta(hours=1), calendar="XNYS")
    drive.work()
    assert "no sessions of XNYS are known yet" in drive.state("traded")["error"]
    day = (drive.now() + timedelta(days=1)).date()
    drive.sql.execute(
        "insert into market_session values ('XNYS', %s, %s, %s)",
        (day, f"{day} 14:30Z", f"{day} 21:00Z"),
    )
    drive.work()
    state = drive.state("traded")
    assert state["error"] is None
    assert state["next_run_at"] is not None


def test_an_edit_that_comes_in_a_long_tick_waits_for_one_step_and_not_for_all(drive: Any) -> None:
    drive.schedule("edited", every=timedelta(days=1))
    drive.work(rounds=2)
    context, by_name = drive.scheduler._context, {step.name: step for step in drive.scheduler._steps}
    seen: list[Any] = []

    def slow(_: Any) -> bool:
        drive.edit("edited", every=MINUTE)
        context.now_at -= 3 * 60
        return False

    def next_one(_: Any) -> bool:
        seen.append(drive.one("select planned_revision = revision as is_planned from schedule_state"
                              " join schedule on name = schedule"))  # fmt: skip
        return False

    for name, act in {"claim_due": slow, "answer_requests": next_one}.items():
        by_name[name].act, by_name[name].is_ready = act, lambda _: True
    before = drive.now()
    drive.scheduler.work()

    assert seen == [{"is_planned": True}]
    # Planned by the time that it was by then: nothing runs for a minute that had passed.
    assert drive.state("edited")["next_run_at"] >= before + timedelta(minutes=3)
    assert context.marks.claim is None
