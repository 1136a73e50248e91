"""From a row to a finished run, through pytest-celery's broker and worker nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_celery import CeleryTestSetup


@pytest.fixture
def beat(celery_process: Any) -> Any:
    return celery_process("beat", WATCHKEEPER_LEASE_SECONDS="3")


def finished(connection: Any) -> Any:
    return connection.execute("select * from run where finished_at is not null").fetchone()


def schedule(connection: Any, **options: Any) -> None:
    connection.execute(
        "insert into schedule (name, task, every, options) values ('path', 'tests.counting', '1 hour', %s)",
        (json.dumps(options),),
    )


def test_a_row_becomes_a_run_that_the_worker_ends(
    celery_setup: CeleryTestSetup, beat: Any, kinds: Any, connection: Any, eventually: Any
) -> None:
    assert celery_setup.ready(control=True)

    schedule(connection, items=7)

    run = eventually(lambda: finished(connection), within=30)
    assert (run["state"], run["done"]) == ("succeeded", 7)
    celery_setup.worker.wait_for_log(str(run["id"]))


def test_a_worker_node_killed_and_restarted_goes_on_with_what_is_left(
    celery_setup: CeleryTestSetup, beat: Any, kinds: Any, connection: Any, eventually: Any
) -> None:
    assert celery_setup.ready()
    schedule(connection, items=5, seconds=0.5)
    eventually(lambda: connection.execute("select from effect").fetchone() is not None, within=30)

    celery_setup.worker.kill()
    celery_setup.worker.restart()

    run = eventually(lambda: finished(connection), within=45)
    assert (run["state"], run["done"]) == ("succeeded", 5)
    done = connection.execute(
        "select count(*) as n, count(distinct item) as items from effect"
    ).fetchone()
    assert (done["n"], done["items"]) == (5, 5)


def test_a_restarted_broker_is_found_again(
    celery_setup: CeleryTestSetup, beat: Any, kinds: Any, connection: Any, eventually: Any
) -> None:
    assert celery_setup.ready()

    celery_setup.broker.restart(force=True)
    schedule(connection, items=1)

    run = eventually(lambda: finished(connection), within=30)
    assert run["state"] == "succeeded"
