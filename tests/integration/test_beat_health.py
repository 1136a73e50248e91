"""Beat says that it is useful only while it is."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import pytest

from beat.tick import steps
from workers.ledger import heartbeats


@pytest.fixture
def sign(drive: Any) -> Any:
    """When beat gave its last sign, or None."""

    def read() -> Any:
        drive.scheduler._heartbeat._next = 0.0
        drive.work()
        rows = drive.all("select seen_at from heartbeat where role = 'beat'")
        return rows[0]["seen_at"] if rows else None

    return read


def test_a_beat_whose_step_fails_again_and_again_gives_no_more_signs(drive: Any, sign: Any) -> None:
    before = sign()
    assert before is not None
    failing = drive.scheduler._steps[1]

    failing._failed(ValueError("broken"))
    assert sign() > before
    failing.failed_at = time.monotonic() - steps.STUCK_AFTER - 1
    failing.act, works = lambda _: 1 / 0, failing.act
    last = sign()
    assert sign() == last

    failing.act = works
    assert sign() >= last
    assert sign() > last


def test_a_broker_that_answers_and_takes_nothing_proves_no_use(drive: Any, sign: Any) -> None:
    before = sign()
    drive.redis.config_set("maxmemory", "1")
    try:
        assert drive.redis.ping()
        assert sign() == before
    finally:
        drive.redis.config_set("maxmemory", "0")


def test_a_sign_tells_the_version_of_its_process(sign: Any, connection: Any) -> None:
    sign()
    found = connection.execute("select detail ->> 'version' as version from heartbeat").fetchone()
    assert found["version"] == version("watchkeeper")


def test_a_beat_knows_how_many_live_beside_it(drive: Any, sign: Any, connection: Any) -> None:
    sign()
    assert drive.scheduler._context.rate.beats == 1

    for name in ("beat2@there", "beat3@there", "beat4@there"):
        heartbeats.record(name, "beat", {"pid": 1})
    heartbeats.record("worker1@there", "worker", {"pid": 1})
    connection.execute(
        "update heartbeat set detail = detail || '{\"ended\": true}' where name = 'beat3@there'"
    )
    connection.execute(
        "update heartbeat set seen_at = seen_at - interval '1 minute' where name = 'beat4@there'"
    )
    sign()

    assert drive.scheduler._context.rate.beats == 2
