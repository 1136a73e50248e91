"""The servers of tests: real, migrated, empty."""

from __future__ import annotations

from typing import Any


def test_a_test_has_a_migrated_database_without_schedules(connection: Any) -> None:
    assert connection.execute("select count(*) as n from schedule").fetchone()["n"] == 0
    assert connection.execute("select count(*) as n from task_kind").fetchone()["n"] >= 4


def test_a_test_has_an_empty_broker(broker_url: str, valkey_server: Any) -> None:
    import redis

    with redis.Redis(port=valkey_server.port) as client:
        assert client.dbsize() == 0
