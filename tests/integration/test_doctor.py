"""`celery doctor` finds what is wrong, says it, and exits 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from click.testing import CliRunner, Result

from tests.support.postgres import forget_caches
from workers.doctor import doctor
from workers.ledger import heartbeats

ROOT = Path(__file__).parents[2]


@pytest.fixture
def examine(database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(*arguments: str, broker: str = broker_url) -> Result:
        monkeypatch.setenv("WATCHKEEPER_BROKER_URL", broker)
        done = CliRunner().invoke(doctor, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def troubles(done: Result) -> dict[str, str]:
    return {one["check"]: one["trouble"] for one in json.loads(done.stdout) if not one["ok"]}


def test_all_is_well(examine: Any) -> None:
    heartbeats.record("beat1@here", "beat", {"pid": 1})
    done = examine()

    assert done.exit_code == 0, done.output
    assert "✘" not in done.stdout
    assert "✔ migrations  ok" in done.stdout
    assert "calendars   the shipped sessions end on 20" in done.stdout


def test_a_zone_whose_clock_postgres_changes_at_other_times_is_named(
    examine: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = """insert into schedule (name, task, every, timezone)
              values ('hourly', 'tasks.discovery.discover', '1 hour', 'Europe/Vienna')"""
    connection.execute(make)
    assert "timezones" not in troubles(examine("--json"))
    monkeypatch.setattr("workers.doctor.zone_of", lambda _: UTC)
    assert troubles(examine("--json"))["timezones"].startswith("clock changes of Europe/Vienna differ")


def test_a_site_that_scripts_draw_wants_a_worker_for_browsers(examine: Any, connection: Any) -> None:
    heartbeats.record("beat1@here", "beat", {"pid": 1})
    connection.execute("update site set fetch_by = 'browser' where name = 'head_fi'")
    done = examine()
    assert done.exit_code == 0
    wanted = "scripts draw the pages of head_fi: start a worker for them with -Q browser"
    assert f"! browsers    {wanted}" in done.stdout

    heartbeats.record("browser@here", "worker", {"pid": 2, "queues": ["browser"], "slots": 1})
    assert "✔ browsers    ok" in examine().stdout


def test_a_silent_beat_and_a_broker_out_of_reach_are_told(examine: Any, connection: Any) -> None:
    heartbeats.record("beat1@here", "beat", {"pid": 1})
    connection.execute("update heartbeat set seen_at = seen_at - interval '5 minutes'")
    done = examine("--json", broker="redis://127.0.0.1:1/0")

    found = troubles(done)
    assert done.exit_code == 1
    assert found.keys() == {"beat", "broker"}
    assert "no beat runs: the last heartbeat was beat1@here's, 5m ago" in found["beat"]
    assert found["broker"].startswith("Redis at 127.0.0.1, port 1 is out of reach: ")
    assert "Connection refused" in found["broker"]


def test_a_broker_that_takes_no_messages_is_told(examine: Any, broker_url: str) -> None:
    with redis.Redis.from_url(broker_url, protocol=2) as broker:
        broker.execute_command("replicaof", "127.0.0.1", "1")
        said = troubles(examine("--json"))["broker"]
        broker.execute_command("replicaof", "no", "one")

    assert "takes no messages: You can't write against a read only replica" in said


def test_a_database_out_of_reach_is_told(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://x:secret@127.0.0.1:1/none")
    forget_caches()
    done = examine()

    assert done.exit_code == 1
    assert done.stdout.startswith("✘ database")
    assert "the database at 127.0.0.1, port 1 is out of reach: Connection refused" in done.stdout
    assert "secret" not in done.stdout


def test_a_database_without_tables_is_not_called_out_of_reach(examine: Any, connection: Any) -> None:
    connection.execute("delete from alembic_version")
    connection.execute("alter table schedule_state rename to schedule_states")
    found = troubles(examine("--json"))

    assert found["migrations"].startswith("database is at nothing, this code at ")
    assert "database" not in found


def test_rows_tasks_migrations_and_clocks_are_looked_at(
    examine: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    drive.schedule("aside")
    drive.work()
    drive.sql.execute("update schedule_state set error = 'no such zone', error_at = now()")
    drive.kind("tests.gone", retired_at=None)
    drive.schedule("orphan", task="tests.gone")
    drive.sql.execute("update task_kind set retired_at = now() where name = 'tests.gone'")
    drive.schedule("traded", calendar="XNYS")
    drive.sql.execute("update alembic_version set version_num = '0001'")
    real = time.time
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: real() + 600)
        heartbeats.record("beat1@astray", "beat", {"pid": 1})
    found = troubles(examine("--json"))

    assert found["migrations"].startswith("database is at 0001, this code at ")
    assert found["rows"].startswith("set aside: aside (no such zone)")
    assert found["tasks"] == (
        "no worker knows the task of: orphan (tests.gone); start a worker that has it, or disable them"
    )
    assert found["calendars"].startswith("trading days are known for XNYS not at all")
    assert found["clock"].startswith("differs from the database's: beat1@astray by 600.")


def test_long_lists_are_cut_and_say_how_to_see_the_rest(drive: Any, examine: Any) -> None:
    for nth in range(12):
        drive.schedule(f"one-{nth}")
    drive.work()
    drive.sql.execute("update schedule_state set error = 'no such zone', error_at = now(),"
                      " claim_at = now() - interval '2 minutes'")  # fmt: skip
    heartbeats.record("beat1@here", "beat", {"pid": 1})
    found = troubles(examine("--json"))

    for check in ("rows", "due times"):
        assert found[check].count("one-") == 10
        told, _, query = found[check].partition(" and 2 more: ")
        assert told, found[check]
        assert len(drive.all(query.partition(";")[0])) >= 12


def test_a_kind_of_this_code_that_was_never_migrated_is_told(examine: Any, connection: Any) -> None:
    connection.execute("delete from task_kind where name = 'tasks.prices.history'")
    heartbeats.record("beat1@here", "beat", {"pid": 1})

    assert troubles(examine("--json")) == {
        "tasks": "not yet in the database: tasks.prices.history; run python -m workers.migrate"
    }


def test_an_application_of_somebody_else_is_examined_itself(database: Any) -> None:
    heartbeats.record("beat1@here", "beat", {"pid": 1})
    env = {
        "PYTHONPATH": str(ROOT / "examples" / "shop"), "WATCHKEEPER_APP": "shop.celery",
        "SHOP_BROKER_URL": "redis://127.0.0.1:1/0", "WATCHKEEPER_DATABASE_URL": database.url,
    }  # fmt: skip
    command = [sys.executable, "-m", "celery", "-A", "shop.celery", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True)

    found = {one["check"]: one["trouble"] for one in json.loads(done.stdout) if not one["ok"]}
    assert found.keys() == {"broker", "tasks"}, done.stderr
    assert found["broker"].endswith("check broker_url of shop.celery")
    assert "shop.kinds.take_stock" in found["tasks"]
    assert "shop.tasks.count_stock" in found["tasks"]


def test_who_holds_the_lock_of_a_late_schedule_is_told(examine: Any, drive: Any, database: Any) -> None:
    drive.schedule("held-up", every=timedelta(hours=1))
    drive.schedule("free")
    drive.work()
    drive.sql.execute(
        "update schedule_state set claim_at = clock_timestamp() - interval '10 minutes' where schedule = 'held-up'"
    )
    with psycopg.connect(database.admin_url, application_name="somebody's psql") as other:
        other.execute("delete from schedule where name = 'held-up'")
        found = troubles(examine("--json"))
        other.rollback()

    said = found["due times"]
    assert said.startswith("late: held-up by 10 minutes")
    assert "by watchkeeper with somebody's psql, pid " in said
    assert "free" not in said
