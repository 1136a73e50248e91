"""Schedules of django-celery-beat and RedBeat, made by those packages themselves, become rows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def take(drive: Any, plain: Any, database: Any, broker_url: str, tmp_path: Path) -> Callable[..., str]:
    """``take("redbeat", url)`` runs the command while beat plans; returns what it prints."""

    def run(source: str, url: str, *options: str) -> str:
        command = [
            sys.executable, "-m", "celery", "-A", "tests.support.plain_app", "schedule", "import", source,
            "--url", url, *options,
        ]  # fmt: skip
        env = {"WATCHKEEPER_DATABASE_URL": database.url, "WATCHKEEPER_BROKER_URL": broker_url}
        with (tmp_path / "said").open("w+") as said:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **env}
            )
            while process.poll() is None:
                drive.work()
            said.seek(0)
            return said.read()

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
    assert (found["off"]["enabled"], found["off"]["note"]) == (False, "not now")
    for name, why in {
        "evening": "when the sun is at sunset", "with headers": "keeps no headers",
        "unknown": "no worker knows a task", "wrong": 'has no argument "z"',
    }.items():  # fmt: skip
        assert name not in found
        assert f"- {name}: not taken: " in shown
        assert why in shown
    assert "Mondays on day 1-7 of the month at 07:00 Berlin" in shown
    assert "here:" not in shown
    assert "1 were due meanwhile and run now" in said
    drive.work(rounds=2)
    assert [run["trigger"] for run in drive.runs("overdue")] == ["manual"]

    drive.edit("first-monday", cron="0 8 * * *")
    again = take("django-celery-beat", url, "--yes")
    assert "0 were due meanwhile" in again
    assert rows(drive)["first Monday"]["cron"] == "0 8 * * *"


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

    import redis

    with redis.Redis.from_url(url, protocol=2) as client:
        client.set("redbeat::lock", "somebody")
    assert "stop it, so that nothing is sent twice" in take("redbeat", url, "--yes")
