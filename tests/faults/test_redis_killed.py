"""Redis is killed while workers hold messages."""

from __future__ import annotations

from typing import Any

from tests.support.runs import KINDS, ended

QUICK = {"WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


def test_a_worker_consumes_again_within_15_seconds_after_redis_was_killed(
    celery_process: Any, new_run: Any, connection: Any, row: Any, valkey_server: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker",
        "-Q",
        "upkeep",
        "-c",
        "2",
        "--prefetch-multiplier",
        "4",
        app=KINDS,
        **QUICK,
    )
    for _ in range(12):
        new_run("tests.counting", items=1, seconds=2)
    eventually(lambda: ended(connection).get("running", 0) >= 2, within=40)

    valkey_server.kill()
    valkey_server.start()
    late = new_run("tests.counting", items=1)
    connection.execute("update batch set priority = 9 where run_id = %s", (late,))

    eventually(lambda: row(late)["started_at"], within=25)
    eventually(lambda: ended(connection) == {"succeeded": 13}, within=60)
    assert worker.running
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] == 13
