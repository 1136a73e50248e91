"""SIGTERM to a beat while Redis, Postgres, or both are away."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest

from tests.support.beat import Drive
from tests.support.due_times import beats_up, many

#: Less than the grace that compose and systemd give (seconds).
GRACE = 15.0


@pytest.mark.parametrize("away", ["redis", "postgres", "redis and postgres"])
@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_a_beat_ends_within_its_grace(
    away: str, how: str, drive: Drive, celery_process: Any, eventually: Any,
    proxy: Any, valkey_server: Any, postgres_server: Any, database: Any,
) -> None:  # fmt: skip
    redis, postgres = proxy(valkey_server.port), proxy(postgres_server.port)
    many(drive, 20)
    beat = celery_process(
        "beat",
        WATCHKEEPER_BROKER_URL=f"redis://127.0.0.1:{redis.port}/0",
        WATCHKEEPER_DATABASE_URL=database.url.replace(f":{postgres_server.port}/", f":{postgres.port}/"),
    )  # fmt: skip
    beats_up(drive, 1, eventually)

    for server, between in (("redis", redis), ("postgres", postgres)):
        if server in away:
            getattr(between, how)()
    begun = drive.now()
    # It is in the middle of a statement or of a call, or waits to try again.
    eventually(lambda: drive.now() - begun >= timedelta(seconds=6), within=11)
    beat.send(signal.SIGTERM)

    assert beat.wait(GRACE) is not None, beat.tail(30)
