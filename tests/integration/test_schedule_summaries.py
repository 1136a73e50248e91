"""What beat keeps for lists: how each schedule went, counters of the day, samples a minute, known run ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def end(drive: Any, state: str, seconds: int = 10, **columns: Any) -> None:
    """End the schedule's active run that way."""
    sets = ", ".join(f"{name} = %({name})s" for name in columns)
    drive.sql.execute(
        "update run set state = %(state)s, open_batches = 0, started_at = %(now)s,"
        f" finished_at = %(now)s + %(seconds)s * interval '1 second'{', ' + sets if sets else ''}"
        " where finished_at is null",
        {"state": state, "now": drive.now(), "seconds": seconds, **columns},
    )
    drive.sql.execute("update batch set state = 'done', send_at = null where state <> 'done'")


def test_the_state_of_a_schedule_says_how_its_last_runs_went(drive: Any) -> None:
    drive.schedule("often", every=timedelta(minutes=1), starts_at=drive.now())
    drive.work()
    for number, (state, error) in enumerate(
        [("succeeded", None), ("failed", "it broke"), ("succeeded", None)], 1
    ):
        drive.work(timedelta(minutes=number), rounds=2)
        end(drive, state, seconds=10 * number, error=error)
        drive.work(timedelta(minutes=number, seconds=40), rounds=2)
        if state == "failed":
            assert drive.state("often")["last_summary"] == "it broke"

    row = drive.state("often")
    last = drive.one("select id, created_at from run order by created_at desc limit 1")
    assert (row["last_run_id"], row["last_run_at"]) == (last["id"], last["created_at"])
    assert (row["last_state"], row["last_summary"]) == ("succeeded", None)
    assert abs(row["success_share"] - 2 / 3) < 1e-6
    assert row["median_duration"] == timedelta(seconds=20)
    counted = drive.sql.execute("select task, state, number from run_count order by state").fetchall()
    assert [(one["state"], one["number"]) for one in counted] == [("failed", 1), ("succeeded", 2)]


def test_a_request_carries_the_id_that_its_run_has(drive: Any) -> None:
    drive.schedule("often", every=timedelta(hours=1), starts_at=drive.now() + timedelta(hours=1))
    drive.work()
    asked = drive.one("select * from request_run('often')")
    drive.work(rounds=2)
    run = drive.one("select id, state from run")
    assert (run["id"], run["state"]) == (asked["new_run_id"], "due")
    end(drive, "failed")
    drive.work(rounds=2)
    drive.sql.execute("select retry_run(%s)", (run["id"],))
    again = drive.one("select * from run_request where run_id = %s", run["id"])
    drive.work(rounds=2)

    assert drive.one("select retry_of from run where id = %s", again["new_run_id"]) == {
        "retry_of": run["id"]
    }


def test_nobody_chooses_the_id_of_a_run(drive: Any) -> None:
    drive.schedule("often", every=timedelta(hours=1), starts_at=drive.now() + timedelta(hours=1))
    chosen = "00000000-0000-4000-8000-000000000000"
    drive.sql.execute(
        "insert into run_request (action, schedule, new_run_id) values ('run', 'often', %s)", (chosen,)
    )

    assert str(drive.one("select new_run_id from run_request")["new_run_id"]) != chosen


def test_each_queue_and_upstream_has_one_sample_a_minute_for_two_days(
    drive: Any, new_beat: Any
) -> None:
    drive.schedule("often", every=timedelta(hours=1), starts_at=drive.now())
    minute = drive.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    before = minute - drive.now()
    drive.sql.execute(
        "insert into permit (upstream, granted_at, stamp, settled, status)"
        " select 'stooq', %(at)s, %(at)s, true, status from unnest(array[200, 200, 429, null]) status",
        {"at": minute - timedelta(seconds=30)},
    )
    drive.work(before)
    drive.work(before + timedelta(seconds=20))

    found = drive.one("select * from upstream_sample where upstream = 'stooq' and at = %s", minute)
    assert (found["calls"], found["outcomes"]) == (4, {"200": 2, "429": 1, "none": 1})
    queues = drive.sql.execute(
        "select queue, ready from queue_sample where at = %s", (minute,)
    ).fetchall()
    assert {one["queue"] for one in queues} >= {"discovery", "prices", "listings", "upkeep"}
    # What this tick planned is younger than the tick.
    drive.sql.execute("insert into run_request (action, schedule) values ('run', 'often')")
    drive.work(before + timedelta(seconds=30))
    drive.sql.execute("update batch set created_at = clock_timestamp() + interval '1 hour'")
    drive.work(before + timedelta(minutes=1))
    young = drive.one("select ready, oldest from queue_sample where at > %s and ready > 0", minute)
    assert (young["ready"], young["oldest"]) == (1, timedelta(0))
    drive.work(before + timedelta(hours=48, minutes=2))
    assert drive.one("select count(*) as n from upstream_sample where at <= %s", minute)["n"] == 0
