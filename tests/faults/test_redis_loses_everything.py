"""Redis is flushed while messages wait in it; Redis is killed while workers hold messages."""

from __future__ import annotations

from typing import Any

QUICK = {"WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


def ended(connection: Any) -> dict[str, int]:
    rows = connection.execute("select state, count(*) as n from run group by state")
    return {r["state"]: r["n"] for r in rows}


def test_200_runs_sent_and_not_started_all_succeed_once_after_a_flush(
    celery_process: Any, new_run: Any, connection: Any, valkey_server: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    for _ in range(200):
        new_run("tests.counting", items=1)
    eventually(
        lambda: (
            connection.execute("select count(*) as n from batch where state = 'sent'").fetchone()["n"]
            == 200
        ),
        within=30,
    )

    valkey_server.flush()
    celery_process("worker", "-Q", "upkeep", "-c", "2", app="kinds_for_tests", **QUICK)

    eventually(lambda: ended(connection) == {"succeeded": 200}, within=60)
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] == 200


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
        app="kinds_for_tests",
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
