"""Postgres has no connection left to give (SQLSTATE 53300) while workers lose those they have."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_no_item_fails_because_postgres_has_no_connection_to_give(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, connection: Any,
    login: Any, postgres_server: Any,
) -> None:  # fmt: skip
    url = login("service")
    name = urlsplit(url).username
    connection.execute("grant insert on effect to service")
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "2", app=KINDS, **{**QUICK, "WATCHKEEPER_DATABASE_URL": url}
    )
    run_id = new_run("tests.counting", items=60, seconds=0.1)
    eventually(effects, within=60)

    def refused() -> int:
        said = (postgres_server.folder / "postgres.log").read_text()
        return said.count(f'too many connections for role "{name}"')

    # Refused a moment, served again: what comes next must not make a failure of it.
    for _ in range(8):
        before = refused()
        connection.execute(f"alter role {name} connection limit 0")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (name,)
        )
        eventually(lambda before=before: refused() > before, within=20)
        done = len(effects())
        connection.execute(f"alter role {name} connection limit -1")
        eventually(lambda done=done: len(effects()) > done or row(run_id)["finished_at"], within=30)

    eventually(lambda: row(run_id)["finished_at"], within=60)
    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["error"]) == ("succeeded", 60, None)
    assert sorted(effects()) == sorted(f"i{number}" for number in range(60))
    assert worker.running
