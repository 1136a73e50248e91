"""Whoever operates hears within a minute that a worker or a queue's only worker is gone, and that it is back."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.runs import KINDS

pytestmark = pytest.mark.outside(8)

#: What is promised (seconds).
TOLD = 60


def exit_codes() -> tuple[int, int]:
    """Of schedule status and doctor, asked by a person."""
    from beat.cli.commands import schedule
    from workers.app import app
    from workers.doctor import doctor

    runner = CliRunner()
    status = runner.invoke(schedule, ["status"])
    return status.exit_code, runner.invoke(doctor, [], obj=SimpleNamespace(app=app)).exit_code


def titles(people: Any) -> list[str]:
    return [row["title"] for row in people.all("select title from trouble order by kind, subject")]


def subjects(people: Any) -> list[str]:
    """Subjects of the messages in the mailbox, and the lines of those that hold several."""
    return [line for mail in people.in_mailbox() for line in mail["text"].splitlines()]


@pytest.fixture
def told(people: Any, celery_process: Any, kinds: Any, eventually: Any) -> Any:
    """A beat, and a worker that sends to a mailbox."""
    people.channel("email")
    celery_process("beat")
    celery_process("worker", "-Q", "notices", "-c", "1")
    eventually(lambda: len(people.all("select from heartbeat")) == 2, within=60)
    return people


def is_there(people: Any, name: str) -> bool:
    return bool(people.all("select from heartbeat where name like %s", f"{name}%"))


def test_a_worker_that_stands_still_is_told_and_so_is_that_it_goes_on(
    told: Any, celery_process: Any, eventually: Any
) -> None:
    sleeper = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS)
    eventually(lambda: len(told.all("select from heartbeat")) == 3, within=60)
    name = told.one("select name from heartbeat where detail -> 'queues' = '[\"upkeep\"]'")["name"]

    said = "select from heartbeat where name = %s and (detail -> 'idle_seconds')::int >= 1"
    eventually(lambda: told.all(said, name), within=20)

    os.killpg(sleeper.pid, signal.SIGSTOP)
    try:
        said = f"worker {name} is silent"
        eventually(lambda: any(said in line for line in subjects(told)), within=TOLD, every=1)
        assert titles(told) == [said]
        assert exit_codes()[0] == 1
    finally:
        os.killpg(sleeper.pid, signal.SIGCONT)

    eventually(
        lambda: any(f"Recovered: {said}" in line for line in subjects(told)), within=TOLD, every=1
    )
    assert titles(told) == []
    assert exit_codes() == (0, 0)
    sleeper.stop()
    eventually(lambda: told.all("select from heartbeat where detail ? 'ended'"), within=30)
    told.sql.execute(
        "update heartbeat set seen_at = seen_at - interval '1 minute' where detail ? 'ended'"
    )
    assert titles(told) == [], "it said good-bye"


def test_the_death_of_a_queues_only_worker_is_told_and_so_is_its_successor(
    told: Any, celery_process: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    first = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS)
    eventually(lambda: len(told.all("select from heartbeat")) == 3, within=60)
    name = told.one("select name from heartbeat where detail -> 'queues' = '[\"upkeep\"]'")["name"]

    os.killpg(os.getpgid(first.pid), signal.SIGKILL)
    run_id = new_run("tests.counting", items=1)
    gone = ["no worker serves the queue upkeep", f"worker {name} is silent"]

    def all_told() -> bool:
        return all(any(said in line for line in subjects(told)) for said in gone)

    eventually(all_told, within=TOLD, every=1)
    assert titles(told) == gone
    assert exit_codes()[0] == 1

    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS)
    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
    eventually(
        lambda: told.all("select from incident having bool_and(closed_at is not null)"), within=TOLD
    )
    assert titles(told) == []
