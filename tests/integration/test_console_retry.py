"""Retry of what did not succeed in a run, asked for at each surface and done by beat and a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support.beat import Drive
from tests.support.console import Console
from tests.support.screens import typed

OPTIONS = {"items": 7, "broken": ["i2", "i5"]}


@pytest.fixture
def failed(new_run: Callable[..., Any], work: Callable[..., Any], connection: Any) -> Any:
    """A run of which two of seven items failed."""
    connection.execute(
        "insert into schedule (name, task, every, enabled, options)"
        " values ('mine', 'tests.counting', '1 hour', false, '{\"items\": 7}')"
    )
    run = new_run("tests.counting", schedule="mine", **OPTIONS)
    for seq in range(3):
        work(run, seq)
    assert connection.execute("select failed from run where id = %s", (run,)).fetchone()["failed"] == 2
    return run


def test_those_that_failed_are_named_and_done_again_alone(
    console: Console, drive: Drive, failed: Any, work: Callable[..., Any], effects: Any, connection: Any
) -> None:
    page = console.as_()
    asked = page.get(f"/runs/{failed}/retry")
    assert "Retry those 2" in asked.text
    assert "i2, i5" in asked.text
    assert connection.execute("select count(*) as number from run_request").fetchone()["number"] == 0

    # What was broken is repaired before they are tried again.
    connection.execute("update run set options = '{\"items\": 7}' where id = %s", (failed,))
    answer = page.post(f"/runs/{failed}/retry", data={"only_failed": "true", "why": "repaired"})
    again = answer.headers["location"].rpartition("/")[2]
    assert page.get(f"/runs/{again}").status_code == 200
    drive.work()
    before = effects()
    work(again)

    row = connection.execute(
        "select state, total, done, retry_of from run where id = %s", (again,)
    ).fetchone()
    assert (row["state"], row["total"], row["done"], row["retry_of"]) == ("succeeded", 2, 2, failed)
    assert sorted([*before, "i2", "i5"]) == effects()


def test_the_api_retries_all_or_those_that_failed(
    console: Console, drive: Drive, failed: Any, work: Callable[..., Any], connection: Any
) -> None:
    api = console.api()
    for body, total in (({"only_failed": True}, 2), ({}, 7)):
        asked = api.post(f"/runs/{failed}/retry", json=body).json()
        assert total_of(asked["run_id"], drive, work, connection) == total


def test_sql_and_the_command_retry_those_that_failed(
    drive: Drive, failed: Any, work: Callable[..., Any], connection: Any
) -> None:
    connection.execute("update run set options = '{\"items\": 7}' where id = %s", (failed,))
    said = connection.execute(
        "select retry_run(%s::uuid, only_failed => true) as it", (failed,)
    ).fetchone()["it"]
    assert "of mine again, 2 items that did not succeed" in said
    last = "select new_run_id as id from run_request order by id desc limit 1"
    first = connection.execute(last).fetchone()["id"]
    assert total_of(first, drive, work, connection) == 2

    typed(f"watchkeeper schedule retry {str(failed)[:8]} --only-failed --yes", None)
    second = connection.execute(last).fetchone()["id"]
    assert total_of(second, drive, work, connection) == 2
    # Those of the first are done now; nothing is left that failed.
    with pytest.raises(psycopg.errors.CheckViolation, match="has no item that did not succeed"):
        connection.execute("select retry_run(%s, only_failed => true)", (str(first),))


def total_of(run: Any, drive: Drive, work: Callable[..., Any], connection: Any) -> int:
    """How many items a requested run did."""
    drive.work()
    for seq in range(3):
        work(run, seq)
    found: int = connection.execute("select total from run where id = %s", (run,)).fetchone()["total"]
    return found
