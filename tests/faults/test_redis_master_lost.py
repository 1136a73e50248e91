"""The master of the Redis servers dies, and Sentinel makes its copy the master."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import KINDS, ended
from tests.support.sentinel import SentinelServers
from tests.support.servers import start_server
from tests.support.valkey import settings_of, use


@pytest.fixture
def servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Any
) -> Iterator[SentinelServers]:
    found = start_server(lambda _: SentinelServers(tmp_path / "redis"))
    use(found, monkeypatch)
    yield found
    found.stop()


def test_beat_and_workers_go_on_with_the_new_master_and_nothing_is_done_twice(
    celery_process: Any, servers: SentinelServers, kinds: Any, connection: Any, eventually: Any
) -> None:
    quick = {**settings_of(servers), "WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}
    beat = celery_process("beat", **quick)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **quick)
    connection.execute(
        "insert into schedule (name, task, every, catch_up, overlap, options)"
        " values ('path', 'tests.counting', '1 second', 'all', 'allow_all', '{\"items\": 2}')"
    )
    eventually(lambda: ended(connection).get("succeeded", 0) >= 3, within=40)

    lost = servers.port
    servers.kill()
    eventually(lambda: servers.answers() and servers.port != lost, within=30)

    began = connection.execute("select clock_timestamp() as now").fetchone()["now"]
    late = "select count(*) as n from run where due_at > %s and state = 'succeeded'"
    eventually(lambda: connection.execute(late, (began,)).fetchone()["n"] >= 3, within=40)
    connection.execute("update schedule set enabled = false")
    eventually(lambda: ended(connection).keys() == {"succeeded"}, within=40)
    twice = connection.execute(
        "select (select count(*) - count(distinct (run_id, item)) from effect) as items,"
        " (select count(*) - count(distinct due_at) from run) as runs"
    ).fetchone()
    assert twice == {"items": 0, "runs": 0}
    assert beat.running
    assert worker.running
