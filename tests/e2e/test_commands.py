"""What an operator types, on the real thing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sandbox.ports import free_port
from tests.support.processes import is_up

ROOT = Path(__file__).parents[2]


@pytest.fixture
def celery(database: Any, broker_url: str) -> Any:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "celery", "-A", "workers.app", *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def hourly(connection: Any) -> str:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly-tokens', 'tasks.discovery.discover', '1 hour')"
    )
    return "hourly-tokens"


def test_the_list_says_when_and_never(celery: Any, hourly: str) -> None:
    done = celery("schedule", "list")

    assert done.returncode == 0, done.stderr
    header, line = done.stdout.splitlines()
    assert header.split("\t")[:3] == ["name", "runs", "state"]
    assert line.split("\t")[:4] == ["hourly-tokens", "every 1 hour", "on", "never"]


def test_json_has_stable_keys(celery: Any, hourly: str) -> None:
    rows = json.loads(celery("schedule", "list", "--json").stdout)

    assert rows[0]["name"] == "hourly-tokens"
    assert rows[0]["every"] == 3600.0


def test_a_refusal_has_the_databases_words_and_exit_code_4(celery: Any, hourly: str) -> None:
    done = celery("schedule", "set", hourly, "--timezone", "America/New_Yrok")

    assert done.returncode == 4
    assert 'unknown timezone "America/New_Yrok"' in done.stderr
    assert "America/New_York" in done.stderr


def test_an_unknown_name_is_exit_code_3_and_lists_the_names(celery: Any, hourly: str) -> None:
    done = celery("schedule", "pause", "hourly-tokns")

    assert done.returncode == 3
    assert "hourly-tokens" in done.stderr


def test_a_dry_run_changes_nothing(celery: Any, hourly: str, connection: Any) -> None:
    assert celery("schedule", "set", hourly, "--daily", "17:00", "--dry-run").returncode == 0

    assert connection.execute("select cron from schedule").fetchone()["cron"] is None


def test_pause_and_resume_say_who_did_it(celery: Any, hourly: str, connection: Any) -> None:
    assert celery("schedule", "pause", hourly, "--note", "quiet please", "--for", "2h").returncode == 0
    row = connection.execute("select * from schedule").fetchone()
    assert row["pause_reason"] == "quiet please"
    assert celery("schedule", "resume", hourly).returncode == 0

    changes = connection.execute("select program from schedule_change order by id").fetchall()
    assert [c["program"] for c in changes][1:] == ["celery schedule", "celery schedule"]


def test_the_doctor_exits_1_without_beat(celery: Any) -> None:
    done = celery("doctor")

    assert done.returncode == 1
    assert "no beat runs" in done.stdout


def test_a_hand_made_call_is_in_the_ledger(
    celery: Any, celery_process: Any, connection: Any, eventually: Any
) -> None:
    celery_process("worker", "-Q", "prices", "-c", "1")

    celery("call", "tasks.prices.refresh", "--kwargs", '{"symbls": ["AAPL"]}')

    run = eventually(
        lambda: connection.execute("select * from run where finished_at is not null").fetchone(),
        within=60,
    )
    assert (run["trigger"], run["state"]) == ("manual", "failed")
    assert 'there is no option "symbls"; it takes:' in run["error"]


def test_flower_shows_a_run_under_its_own_id(
    celery_process: Any, new_run: Any, connection: Any, row: Any, eventually: Any
) -> None:
    port = free_port()
    celery_process("beat")
    celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds")
    celery_process("flower", "--address=127.0.0.1", f"--port={port}", FLOWER_UNAUTHENTICATED_API="true")

    def known(run_id: Any) -> Any:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/task/info/{run_id}", timeout=5
            ) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    def workers() -> Any:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/workers?refresh=1", timeout=10
            ) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    eventually(workers, within=60)
    run_id = new_run("tests.counting", items=1)
    eventually(lambda: row(run_id)["finished_at"], within=60)

    info = eventually(lambda: known(run_id), within=20)
    assert info["name"] == "tests.counting"


@pytest.fixture
def counting(kinds: Any, connection: Any) -> str:
    """A schedule of 200 items, each of which takes a tenth of a second; it runs only when asked."""
    connection.execute(
        """insert into schedule (name, task, every, starts_at, options) values
           ('counting', 'tests.counting', '1 hour', now() + interval '1 day', '{"items": 200, "seconds": 0.1}')"""
    )
    return "counting"


@pytest.fixture
def typed(database: Any, tmp_path: Path) -> Any:
    """``typed("run", …)`` starts ``celery schedule …`` and leaves it running."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.support.kinds", "schedule", *arguments],
                cwd=ROOT, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_ctrl_c_hands_a_run_here_back_with_what_is_left(
    typed: Any, counting: str, connection: Any, eventually: Any
) -> None:
    process = typed("run", counting, "--here")
    eventually(lambda: connection.execute("select pid from effect").fetchall(), within=30)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)

    assert process.returncode == 130, said
    assert "handed back; workers go on with it, or: celery -A workers.app schedule stop" in said
    run = connection.execute("select state, finished_at from run").fetchone()
    assert (run["state"], run["finished_at"]) == ("running", None)
    assert connection.execute("select from batch where state = 'running'").fetchall() == []


def test_ctrl_c_ends_the_waiting_not_the_run(typed: Any, counting: str, celery_process: Any) -> None:
    celery_process("beat")
    celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds")
    process = typed("run", counting, "--wait", "--option", "items=60")
    # It shows the run, so it follows it.
    assert any(line.startswith("counting") for line in iter(process.stderr.readline, ""))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)

    assert process.returncode == 130, said
    assert "it goes on; to end it: celery -A workers.app schedule stop" in said
    again = typed("watch", said.rsplit("stop ", 1)[1].strip())
    out, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert out.startswith("succeeded")
    assert "60/60" in said


def page_of(port: int, task_id: str) -> str:
    """What Flower's page of a task shows, as HTML; nothing while Flower knows no such task."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/task/{task_id}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_flowers_page_of_a_run_shows_how_far_it_is_and_how_it_ended(
    celery_process: Any, kinds: Any, connection: Any, eventually: Any, tmp_path: Path
) -> None:
    port = free_port()
    gate = tmp_path / "gate"
    celery_process("flower", "--address=127.0.0.1", f"--port={port}")
    eventually(lambda: is_up(f"http://127.0.0.1:{port}/healthcheck"), within=60)
    celery_process("beat")
    celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds")
    connection.execute(
        "insert into schedule (name, task, every, options) values ('far', 'tests.counting', '1 hour', %s)",
        (json.dumps({"items": 12, "seconds": 0.5, "broken": ["i1"], "gate": str(gate)}),),
    )
    run = eventually(lambda: connection.execute("select id from run").fetchone(), within=60)["id"]

    eventually(
        lambda: re.search(r"\b\d+/12 items, 1 failed, about \d+ seconds? left", page_of(port, run)),
        within=60,
    )
    gate.touch()
    ended = eventually(lambda: re.search(r"partial: [^<]*", page_of(port, run)), within=60)
    assert ended.group() == "partial: 11 counted; i1: ValueError: this one is broken"
