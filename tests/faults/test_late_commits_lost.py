"""Postgres dies before it wrote what it had confirmed, as a server with synchronous_commit off may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.postgres import forget_caches
from workers.db import Driver, driver_connect
from workers.ledger import calls, claimed, taken
from workers.ledger.calls import Call, Outcome

LEASE = timedelta(seconds=30)
Claim = Callable[[Driver, UUID], Any]


def take(connection: Driver, run_id: UUID) -> Any:
    return taken.take(connection, [(run_id, 0)], "one", LEASE, alone=False)[0]


def claim(connection: Driver, run_id: UUID) -> Any:
    return claimed.claim(connection, run_id, 0, "one", LEASE)


def claim_plain(connection: Driver, run_id: UUID) -> Any:
    connection.execute("update batch set plain = true")
    return calls.claim(connection, run_id, "one", LEASE, 0)


@pytest.fixture
def crash(postgres_server: Any, database: Any) -> Iterator[Callable[[], None]]:
    """Kill the server, which writes late, and start it again."""

    def administer(*statements: str) -> None:
        with database.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def do() -> None:
        postgres_server.kill()
        postgres_server.start()
        forget_caches()

    administer("alter system set wal_writer_delay = '10s'", "select pg_reload_conf()")
    yield do
    administer("alter system reset wal_writer_delay", "select pg_reload_conf()")


@pytest.fixture
def new_durable_run(connection: Any, new_run: Any) -> Callable[..., UUID]:
    connection.execute("set synchronous_commit = on")
    return lambda **options: new_run("tests.counting", **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize("first", [take, claim, claim_plain])
def test_a_fence_is_given_once(
    new_durable_run: Callable[..., UUID], crash: Callable[[], None], database: Any, first: Claim
) -> None:
    run_id = new_durable_run()
    with driver_connect() as connection:
        assert connection.execute("show synchronous_commit").fetchall() == [("off",)]
        lease = first(connection, run_id)
    crash()

    with database.connect() as connection:
        found = connection.execute("select state, fence from batch").fetchall()
    assert found == [{"state": "running", "fence": lease.fence}]


def test_an_item_that_was_done_is_not_done_again(
    new_durable_run: Callable[..., UUID], crash: Callable[[], None], database: Any, work: Any
) -> None:
    run_id = new_durable_run(items=2)
    work(run_id)
    crash()

    with database.connect() as connection:
        assert connection.execute("select state, done from run").fetchall() == [
            {"state": "succeeded", "done": 2}
        ]
        assert connection.execute("select count(*) as n from effect").fetchone() == {"n": 2}


@pytest.mark.parametrize("number", [1, 2])
def test_a_plain_task_that_ended_does_not_run_again(
    new_durable_run: Callable[..., UUID], crash: Callable[[], None], database: Any, number: int
) -> None:
    done: list[tuple[Call, Outcome]] = []
    with driver_connect() as connection:
        for _ in range(number):
            call = claim_plain(connection, new_durable_run())
            done.append((call, Outcome("succeeded")))
        assert len(calls.end(connection, done)) == number
    crash()

    with database.connect() as connection:
        found = connection.execute("select distinct state from run").fetchall()
    assert found == [{"state": "succeeded"}]
