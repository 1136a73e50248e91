"""SIGTERM to a worker in the middle of a batch while Redis, Postgres, or both are away."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.support.runs import KINDS

pytestmark = pytest.mark.outside(15)
#: Less than the grace that compose and systemd give (seconds).
GRACE = 30.0


@pytest.mark.parametrize("away", ["redis", "postgres", "redis and postgres"])
@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_a_busy_worker_ends_within_its_grace(
    away: str, how: str, celery_process: Any, new_run: Any, connection: Any, eventually: Any,
    proxy: Any, valkey_server: Any, postgres_server: Any, database: Any,
) -> None:  # fmt: skip
    redis, postgres = proxy(valkey_server.port), proxy(postgres_server.port)
    celery_process("beat")
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "2", app=KINDS,
        WATCHKEEPER_BROKER_URL=f"redis://127.0.0.1:{redis.port}/0",
        WATCHKEEPER_DATABASE_URL=database.url.replace(f":{postgres_server.port}/", f":{postgres.port}/"),
    )  # fmt: skip
    new_run("tests.counting", items=30, seconds=2)
    eventually(lambda: connection.execute("select 1 as one from effect").fetchone(), within=60)

    for server, between in (("redis", redis), ("postgres", postgres)):
        if server in away:
            getattr(between, how)()
    if "redis" in away and how == "cut":
        eventually(lambda: "Connection to broker lost" in worker.log.read_text(), within=30)
    worker.send(signal.SIGTERM)

    assert worker.wait(GRACE) is not None, worker.tail(30)
