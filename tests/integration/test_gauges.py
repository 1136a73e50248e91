"""What beat exports of the database and of its own decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from beat.gauges import GAUGES, MAX_AGE, Gauges
from sandbox.ports import free_port
from tests.integration.test_metrics import samples
from tests.support.processes import QUICK
from workers.db import driver_connect
from workers.ledger import heartbeats
from workers.settings import settings


@pytest.fixture
def gauges() -> Iterator[Gauges]:
    with closing(Gauges()) as opened:
        yield opened


def read(gauges: Gauges) -> dict[str, dict[tuple[str, ...], float]]:
    """By metric and labels."""
    return {
        metric.name: {tuple(sample.labels.values()): sample.value for sample in metric.samples}
        for metric in gauges.collect()
    }


def test_every_gauge_is_read_with_the_service_login_and_has_a_value(drive: Any, gauges: Gauges) -> None:
    drive.sql.execute(
        "insert into upstream (name, base_url) values ('shop', 'https://shop.example');"
        "insert into quota (upstream, per, calls) values ('shop', '1 hour', 7);"
        "insert into channel (name, kind, target, upstream)"
        " values ('ops', 'discord', 'env:WATCHKEEPER_CHANNEL_OPS', 'discord');"
    )
    heartbeats.record("w1@here", "worker", {"queues": ["upkeep"], "processes": 1})
    with driver_connect() as connection:
        is_owner = "select pg_has_role('owner', 'member')"
        assert connection.execute(is_owner).fetchone() == (False,)
    found = read(gauges)
    assert found.keys() >= {name for gauge in GAUGES for name, _ in gauge.metrics}
    assert all(found.values())
    assert found["watchkeeper_database_up"] == {(): 1}
    assert found["watchkeeper_permits_left"][("shop", "1 hour")] == 7
    assert found["watchkeeper_upstream_blocked"][("shop",)] == 0


def test_gauges_follow_the_ledger(drive: Any, gauges: Gauges) -> None:
    for name in ("one", "two"):
        drive.schedule(name)
    drive.work()
    drive.sql.execute(
        "update schedule set paused_until = 'infinity' where name = 'two';"
        "insert into incident (kind, subject, title, text) values ('late', 'one', 'late', 'because')"
    )
    heartbeats.record("w1@here", "worker", {"queues": ["upkeep"], "processes": 3, "slots": 16})
    heartbeats.record("plain@here", "worker", {"queues": ["other"], "processes": 4})
    before = read(gauges)
    assert before["watchkeeper_slots"] == {("w1@here",): 48, ("plain@here",): 4}
    assert before["watchkeeper_slots_busy"] == {("w1@here",): 0, ("plain@here",): 0}
    gauges._read_at -= MAX_AGE
    found = read(gauges)
    assert found["watchkeeper_ready_batches"][("upkeep",)] == 2
    assert 0 < found["watchkeeper_oldest_ready_age_seconds"][("upkeep",)] < 60
    assert found["watchkeeper_schedules_paused"] == {("person",): 1, ("failures",): 0}
    assert found["watchkeeper_incidents"][("late",)] == 1
    assert found["watchkeeper_incidents"][("blocked",)] == 0
    assert found["watchkeeper_paused"] == {(): 0}
    drive.sql.execute("update batch set state = 'running', send_at = null, worker = 'w1@here'")
    gauges._read_at -= MAX_AGE
    assert read(gauges)["watchkeeper_slots_busy"][("w1@here",)] == 2


def test_scrapes_close_together_ask_the_database_once(drive: Any, gauges: Gauges) -> None:
    before = read(gauges)["watchkeeper_schedules_paused"]
    drive.schedule("one", paused_until="infinity")
    assert read(gauges)["watchkeeper_schedules_paused"] == before
    gauges._read_at -= MAX_AGE
    assert read(gauges)["watchkeeper_schedules_paused"] == {("person",): 1, ("failures",): 0}


def test_without_the_database_only_its_absence_is_exported(
    drive: Any, gauges: Gauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/nowhere"
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", url)
    settings.cache_clear()
    gauges.ticked_at = 12.5
    assert read(gauges) == {
        "watchkeeper_beat_last_tick_timestamp_seconds": {(): 12.5},
        "watchkeeper_database_up": {(): 0},
    }


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_beat_counts_each_run_and_each_due_time_without_one(drive: Any) -> None:
    drive.kind("tests.measured")

    def runs(end: str) -> float:
        return counted("watchkeeper_runs_total", kind="tests.measured", end=end)

    drive.schedule("hourly", task="tests.measured", overlap="skip")
    drive.work()
    assert counted("watchkeeper_schedule_lateness_seconds_count", kind="tests.measured") == 1
    drive.work(timedelta(hours=1, minutes=1))
    assert runs("skipped") == 1

    drive.start("hourly")
    drive.end("hourly")
    drive.work()
    drive.work()
    assert runs("succeeded") == 1
    assert counted("watchkeeper_run_duration_seconds_count", kind="tests.measured") == 1

    drive.edit("hourly", catch_up="none")
    drive.work()
    drive.work(timedelta(hours=5))
    assert counted("watchkeeper_schedule_missed_total", kind="tests.measured") == runs("missed") > 0


def test_a_beat_answers_with_its_gauges_and_its_last_tick(celery_process: Any, eventually: Any) -> None:
    port = free_port()
    celery_process("beat", **QUICK, WATCHKEEPER_METRICS_PORT=str(port))
    eventually(lambda: samples(port).get("watchkeeper_database_up") == 1, within=60)
    eventually(lambda: samples(port)["watchkeeper_beat_last_tick_timestamp_seconds"] > 0, within=30)
    eventually(lambda: samples(port)["watchkeeper_beats"] == 1, within=30)
