"""Schedules of django-celery-beat and RedBeat, made by those packages themselves, become rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import Process
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def take(drive: Any, plain: Any, celery_process: Callable[..., Process]) -> Callable[..., str]:
    """``take("redbeat", url)`` runs the command while beat plans; returns what it prints."""

    def run(source: str, url: str, *options: str) -> str:
        command = ("schedule", "import", source, "--url", url, *options)
        process = celery_process(*command, app="tests.support.plain_app")
        wait_for(lambda: (drive.work(), process.status is not None)[1], 60.0, 0.1)
        return process.log.read_text()

    return run


def rows(drive: Any) -> dict[str, dict[str, Any]]:
    return {row["title"] or row["name"]: row for row in drive.all("select * from schedule")}


def test_what_django_celery_beat_has_becomes_rows(take: Callable[..., str], drive: Any, tmp_path: Path) -> None:  # fmt: skip
    path = tmp_path / "django.sqlite"
    subprocess.run([sys.executable, "-m", "tests.support.django_beat", path], cwd=ROOT, check=True)
    url = f"sqlite:///{path}"
    before = rows(drive)
    shown = take("django-celery-beat", url, "--dry-run")
    assert rows(drive) == before
    said = take("django-celery-beat", url, "--yes")
    found = rows(drive)

    assert "Every ten minutes" in found, said
    ten = found["Every ten minutes"]
    assert (ten["every"], ten["expires"], ten["queue"]) == (
        timedelta(minutes=10),
        timedelta(minutes=1),
        "upkeep",
    )
    assert ten["options"] == {"args": [1], "kwargs": {"y": 5}}
    assert (ten["overlap"], ten["note"]) == ("allow_all", "moved from django-celery-beat")
    assert timedelta(minutes=5) < ten["starts_at"] - datetime.now(UTC) <= timedelta(minutes=6)
    monday = found["first Monday"]
    assert (monday["cron"], monday["timezone"]) == ("0 7 1-7 * and 1", "Europe/Berlin")
    assert found["once"]["at"] - datetime.now(UTC) > timedelta(days=2)
    assert found["evening"]["cron"] == "@sunset 52 13"
    assert (found["off"]["enabled"], found["off"]["note"]) == (False, "not now")
    for name, why in {
        "with headers": "keeps no headers",
        "unknown": "no worker knows a task", "wrong": 'has no argument "z"',
    }.items():  # fmt: skip
        assert name not in found
        assert f"- {name}: not taken: " in shown
        assert why in shown
    assert "Mondays on day 1-7 of the month at 07:00 Berlin" in shown
    assert "  here: " not in shown
    assert "1 were due meanwhile and run now" in said
    drive.work(rounds=2)
    assert [run["trigger"] for run in drive.runs("overdue")] == ["manual"]

    drive.edit("first-monday", cron="0 8 * * *")
    before = rows(drive)
    again = take("django-celery-beat", url, "--yes")
    assert "0 were due meanwhile" in again
    assert rows(drive) == before


#: The table as goatbeat-postgres 0.2 makes it; the package itself needs Python 3.13.
GOATBEAT = """
create table goatbeat_schema_version (version integer primary key, applied_at timestamptz default now());
create table goatbeat_schedule (
    id text primary key, name text not null unique, source text not null, task_path text not null,
    task_args jsonb not null, task_kwargs jsonb not null, trigger_kind text not null, interval_us bigint,
    start_at timestamptz, cron text, timezone text, misfire_policy text not null,
    misfire_grace_us bigint not null, max_catch_up integer not null, queue text, priority integer,
    backend text, enabled boolean not null, next_run_at timestamptz not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now());
insert into goatbeat_schema_version (version) values (1)
"""


def test_what_goatbeat_has_becomes_rows(take: Callable[..., str], drive: Any, database: Any) -> None:
    drive.sql.execute(GOATBEAT)
    now = drive.now()

    def save(name: str, next_at: datetime, **columns: Any) -> None:
        row = {
            "id": name, "name": name, "source": "store", "task_path": "plain.whoami", "task_args": "[]",
            "task_kwargs": "{}", "trigger_kind": "interval", "misfire_policy": "run_once",
            "misfire_grace_us": 60_000_000, "max_catch_up": 100, "enabled": True, "next_run_at": next_at,
            **columns,
        }  # fmt: skip
        drive._insert("goatbeat_schedule", row)

    grid = {"interval_us": 600_000_000, "start_at": datetime(1970, 1, 1, tzinfo=UTC)}
    soon = datetime.fromtimestamp((now.timestamp() // 600 + 1) * 600, UTC)
    # The first 07:00 of a Monday that is ahead: on a Monday morning, today's.
    morning = (now - timedelta(hours=7)).replace(hour=7, minute=0, second=0, microsecond=0)
    monday = morning + timedelta(days=7 - morning.weekday())
    save("Every ten minutes", soon, task_path="plain.add", task_args="[1]", task_kwargs='{"y": 5}', queue="upkeep", **grid)  # fmt: skip
    save("overdue", soon - timedelta(minutes=10), misfire_policy="catch_up", **grid)
    cron = {"trigger_kind": "cron", "cron": "0 7 * * mon", "timezone": "UTC"}
    save("Mondays", monday, misfire_policy="skip", **cron)
    save("off", soon, enabled=False, **grid)
    save("backed", soon, backend="rq", **grid)
    save("broken", soon, trigger_kind="cron", cron="61 * * * *", timezone="UTC")

    said = take("goatbeat", database.admin_url, "--yes")
    found = rows(drive)
    ten = found["Every ten minutes"]
    assert (ten["every"], ten["starts_at"], ten["queue"]) == (timedelta(minutes=10), soon, "upkeep")
    assert ten["options"] == {"args": [1], "kwargs": {"y": 5}}
    assert found["overdue"]["catch_up"] == "all"
    mondays = found["Mondays"]
    assert (mondays["cron"], mondays["catch_up"], mondays["expires"]) == (
        "0 7 * * mon",
        "none",
        timedelta(minutes=1),
    )
    assert found["off"]["enabled"] is False
    assert "- backed: not taken: backend = 'rq'" in said
    assert "- broken: not taken: " in said
    assert "  here: " not in said
    assert "as before" in said
    assert "1 were due meanwhile and run now" in said
    assert "0 were due meanwhile" in take("goatbeat", database.admin_url, "--yes")
    assert rows(drive) == found

    drive.sql.execute("update goatbeat_schema_version set version = 2")
    assert "schema is version 2" in take("goatbeat", database.admin_url, "--yes")


@pytest.mark.parametrize("path", ["tests.support.entries", "tests.support.entries:SCHEDULE"])
def test_what_code_of_another_application_has_becomes_rows(take: Callable[..., str], drive: Any, path: str) -> None:  # fmt: skip
    shown = take("beat-schedule", path, "--timezone", "Europe/Berlin", "--dry-run")
    assert "Add (EU)" not in rows(drive)
    take("beat-schedule", path, "--timezone", "Europe/Berlin", "--yes")
    found = rows(drive)

    assert found["Add (EU)"]["options"] == {"args": [1], "kwargs": {"y": 2}}
    assert (found["first Monday"]["cron"], found["first Monday"]["timezone"]) == ("0 7 1-7 * and 1", "Europe/Berlin")  # fmt: skip
    assert found["on the hour"]["starts_at"].minute == 0
    assert found["evening"]["cron"] == "@sunset 52 13"
    for name, why in {
        "elsewhere": "cannot keep the option exchange",
        "without": "cannot be read",
    }.items():  # fmt: skip
        assert name not in found
        assert f"- {name}: not taken: " in shown
        assert why in shown
    assert "  here: " not in shown

    assert "0 were due meanwhile" in take("beat-schedule", path, "--timezone", "Europe/Berlin", "--yes")
    assert rows(drive) == found

    assert "No module named" in take("beat-schedule", "no.such.module", "--yes")
    assert "neither an application" in take("beat-schedule", "tests.support.entries:__name__", "--yes")


def test_what_redbeat_has_becomes_rows(take: Callable[..., str], drive: Any, broker_url: str) -> None:
    from celery import Celery
    from celery.schedules import crontab, schedule
    from redbeat import RedBeatSchedulerEntry
    from redbeat.schedules import rrule

    url = broker_url.rpartition("/")[0] + "/5"
    app = Celery("old", set_as_current=False)
    app.conf.update(broker_url=broker_url, redbeat_redis_url=url, timezone="Europe/Berlin")

    def save(name: str, timing: Any, **more: Any) -> None:
        RedBeatSchedulerEntry(name, "plain.add", timing, args=[1], app=app, **more).save()

    save("each minute", schedule(60), kwargs={"y": 3}, options={"queue": "upkeep", "priority": 0})
    save("at night", crontab(minute="0,30", hour="22-4"))
    save("off", schedule(600), enabled=False)
    save("a rule", rrule("HOURLY", dtstart=datetime(2026, 1, 1, tzinfo=UTC), count=5))

    said = take("redbeat", url, "--yes", "--timezone", "Europe/Berlin")
    found = rows(drive)
    assert (found["each minute"]["every"], found["each minute"]["priority"]) == (
        timedelta(minutes=1),
        9,
    )
    assert found["each minute"]["options"] == {"args": [1], "kwargs": {"y": 3}}
    assert (found["at night"]["cron"], found["at night"]["timezone"]) == (
        "0,30 0-4,22,23 * * *",
        "Europe/Berlin",
    )
    assert found["off"]["enabled"] is False
    assert "- a rule: not taken: " in said
    take("redbeat", url, "--yes", "--timezone", "Europe/Berlin")
    assert rows(drive) == found

    import redis

    with redis.Redis.from_url(url, protocol=2) as client:
        client.set("redbeat::lock", "somebody")
    assert "stop it, so that nothing is sent twice" in take("redbeat", url, "--yes")
