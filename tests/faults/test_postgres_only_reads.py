"""Beat and workers reach a server that only reads, as a standby does, until the primary is found again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_no_item_fails_and_no_due_time_is_lost_while_postgres_only_reads(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, connection: Any,
    login: Any, database: Any, postgres_server: Any,
) -> None:  # fmt: skip
    url = login("service")
    name = urlsplit(url).username
    connection.execute("grant insert on effect to service")
    connection.execute(
        "insert into schedule (name, task, every, options) values ('each', 'tests.counting', %s, %s)",
        (timedelta(seconds=2), '{"items": 1}'),
    )
    quick = {**QUICK, "WATCHKEEPER_DATABASE_URL": url}
    beat = celery_process("beat", **quick)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **quick)
    run_id = new_run("tests.counting", items=60, seconds=0.1)
    eventually(effects, within=60)

    def refused() -> int:
        said = (postgres_server.folder / "postgres.log").read_text()
        return said.count("in a read-only transaction")

    def end_sessions() -> None:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (name,)
        )

    for _ in range(3):
        before, done = refused(), len(effects())
        connection.execute(
            f"alter role {name} in database {database.name} set default_transaction_read_only = on"
        )
        end_sessions()
        eventually(lambda before=before: refused() > before + 3, within=20)
        # Whoever has reached the standby stays there until he connects anew.
        connection.execute(
            f"alter role {name} in database {database.name} reset default_transaction_read_only"
        )
        eventually(lambda done=done: len(effects()) > done + 2, within=30)

    eventually(lambda: row(run_id)["finished_at"], within=60)
    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["error"]) == ("succeeded", 60, None)
    states = connection.execute(
        "select distinct state from run where finished_at is not null"
    ).fetchall()
    assert {one["state"] for one in states} <= {"succeeded", "skipped"}
    assert beat.running
    assert worker.running
