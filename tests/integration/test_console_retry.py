"""Retry of what did not succeed in a run, asked for at the console and done by beat and a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.beat import Drive
from tests.support.console import Console

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
    answer = page.post(f"/runs/{failed}/retry", data={"items": "failed", "reason": "repaired"})
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
        drive.work()
        for seq in range(3):
            work(asked["run_id"], seq)
        row = connection.execute("select total from run where id = %s", (asked["run_id"],)).fetchone()
        assert row["total"] == total
