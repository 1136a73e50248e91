"""Completion: names come from files, which the database fills; shells get them from `watchkeeper`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_for
from workers.cli import completion

Complete = Callable[..., list[str]]
PROGRAM = [sys.executable, "-c", "from workers.cli.main import main; main()"]


@pytest.fixture
def complete(
    database: Any, connection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Complete:
    """What a shell is offered for the words so far."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )

    def offered(*words: str, shell: str = "bash") -> list[str]:
        env = {
            **os.environ,
            "_WATCHKEEPER_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": " ".join(["watchkeeper", *words]),
            "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
        }
        done = subprocess.run(PROGRAM, env=env, capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_names_come_from_the_file_once_it_is_there(complete: Complete, connection: Any) -> None:
    assert complete("schedule", "show", "hou") == ["plain,hourly"]
    assert json.loads((completion.folder() / "schedule").read_text()) == [["hourly", "every 1 hour"]]

    connection.execute("update schedule set note = 'x'; delete from schedule")
    assert complete("schedule", "show", "hou") == ["plain,hourly"]


def test_an_old_file_is_renewed_in_the_background(complete: Complete, connection: Any) -> None:
    complete("schedule", "show", "")
    path = completion.folder() / "schedule"
    os.utime(path, (1, 1))
    connection.execute("delete from schedule")

    assert complete("schedule", "show", "") == ["plain,hourly"]
    wait_for(lambda: json.loads(path.read_text()) == [], 20)


def test_the_file_is_its_owners_alone(complete: Complete) -> None:
    complete("schedule", "show", "")
    assert (completion.folder() / "schedule").stat().st_mode & 0o077 == 0


def test_a_new_schedule_is_offered_at_once(complete: Complete) -> None:
    complete("schedule", "show", "")
    added = [
        *PROGRAM,
        "schedule",
        "add",
        "later",
        "--task",
        "tasks.prices.refresh",
        "--every",
        "1 hour",
    ]
    subprocess.run(added, check=True, capture_output=True)

    assert complete("schedule", "show", "la") == ["plain,later"]


def test_nothing_is_offered_and_nothing_said_without_a_database(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    assert complete("schedule", "show", "") == []


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("schedule", "set", "hourly", "--overlap", "buffer_o"), "plain,buffer_one"),
        (("schedule", "set", "hourly", "--catch-up", "lat"), "plain,latest"),
        (("schedule", "set", "hourly", "--timezone", "Europe/Berl"), "plain,Europe/Berlin"),
        (("schedule", "set", "hourly", "--calendar", "XNY"), "plain,XNYS"),
        (("schedule", "set", "hourly", "--queue", "disc"), "plain,discovery"),
        (("schedule", "set", "hourly", "--after", "hou"), "plain,hourly"),
        (("schedule", "add", "x", "--task", "tasks.prices.ref"), "plain,tasks.prices.refresh"),
        (("notify", "test", "pho"), "plain,phone"),
        (("watch", "test", "ba"), "plain,bargain"),
        (("watch", "found", "list"), "plain,listing"),
        (("listings", "list", "--site", "head"), "plain,head_fi"),
        (("listings", "list", "--status", "so"), "plain,sold"),
    ],
)
def test_values_of_options_are_offered(
    complete: Complete, connection: Any, words: tuple[str, ...], value: str
) -> None:
    connection.execute(
        "insert into channel (name, kind, target, upstream)"
        " values ('phone', 'webhook', 'https://example.org/x', 'discord')"
    )
    connection.execute("insert into rule (name, expression) values ('bargain', 'price < 5')")
    assert value in complete(*words)


def test_runs_are_offered_by_the_beginning_of_their_ids(complete: Complete, connection: Any) -> None:
    row = connection.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue)"
        " values (gen_random_uuid(), 'hourly', 'tasks.discovery.discover', 'schedule', now(), 'due', 'discovery')"
        " returning id"
    ).fetchone()

    # A schedule's name stands for its last run.
    assert complete("schedule", "stop", "") == [f"plain,{str(row['id'])[:8]}", "plain,hourly"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_completion_of_each_shell_calls_watchkeeper(shell: str) -> None:
    done = subprocess.run([*PROGRAM, "completion", shell], check=True, capture_output=True, text=True)

    assert f"_WATCHKEEPER_COMPLETE={shell}_complete" in done.stdout
    assert "watchkeeper" in done.stdout


def test_zsh_shows_the_timing_beside_each_name(complete: Complete) -> None:
    said = complete("schedule", "show", "h", shell="zsh")
    assert said == ["plain", "hourly", "every", "1", "hour"]


def test_fish_gets_names_too(complete: Complete) -> None:
    assert complete("schedule", "show", "h", shell="fish")[0] == "plain,hourly"
