"""Redis is flushed while messages wait in it."""

from __future__ import annotations

from typing import Any

from tests.support.runs import KINDS, ended

QUICK = {"WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


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
    celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **QUICK)

    eventually(lambda: ended(connection) == {"succeeded": 200}, within=60)
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] == 200
