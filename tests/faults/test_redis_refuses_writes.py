"""Redis answers and refuses every write: it is full, or has become a replica."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.support.runs import KINDS, ended

QUICK = {"WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


@pytest.fixture
def broker(broker_url: str) -> Any:
    return redis.Redis.from_url(broker_url, protocol=2)


def test_a_worker_whose_redis_becomes_a_replica_goes_on_with_its_run_and_takes_others_later(
    celery_process: Any, new_run: Any, connection: Any, row: Any, broker: Any, eventually: Any
) -> None:
    beat = celery_process("beat", **QUICK)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **QUICK)
    long = new_run("tests.counting", items=60, seconds=0.2)
    eventually(lambda: row(long)["started_at"], within=40)

    broker.execute_command("replicaof", "127.0.0.1", "1")
    late = new_run("tests.counting", items=1)
    eventually(lambda: "beat.away" in beat.tail(200), within=30)
    eventually(lambda: "connection to broker" in worker.tail(200).lower(), within=30)
    broker.execute_command("replicaof", "no", "one")

    eventually(lambda: row(late)["started_at"], within=30)
    eventually(lambda: ended(connection) == {"succeeded": 2}, within=60)
    assert worker.running
    assert connection.execute("select max(fence) as n from batch").fetchone()["n"] == 1
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] == 61


def test_a_worker_that_starts_while_redis_is_full_works_once_there_is_room(
    celery_process: Any, new_run: Any, connection: Any, broker: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    new_run("tests.counting", items=1)
    eventually(
        lambda: connection.execute("select 1 from batch where state = 'sent'").fetchone(), within=30
    )

    broker.execute_command("config", "set", "maxmemory", "1")
    worker = celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **QUICK)
    eventually(lambda: "when used memory" in worker.tail(200), within=60)
    broker.execute_command("config", "set", "maxmemory", "0")

    eventually(lambda: ended(connection) == {"succeeded": 1}, within=60)
    assert worker.running
