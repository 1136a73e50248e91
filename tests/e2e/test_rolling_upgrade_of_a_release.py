"""A worker, or a beat, of the last release without doorbells beside this one: its own code, from git's history."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import Process
from tests.support.archives import extract
from tests.support.processes import QUICK, ROOT
from tests.support.runs import KINDS

#: The last commit whose workers know a message for each batch alone.
OLD = "2f163cf~1"


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of that release."""
    found = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"this copy has no history: git does not know {OLD}")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        extract(archive, folder)
    return folder


@pytest.fixture
def old_process(
    old_code: Path, tmp_path: Path, database: Any, broker_url: str
) -> Iterator[Callable[..., Process]]:
    """``old_process("worker", "-Q", "upkeep")`` starts one of the old release on this test's servers."""
    started: list[Process] = []

    def start(what: str, *options: str) -> Process:
        process = Process(
            [sys.executable, "-m", "celery", "-A", KINDS, what, "-n", f"old-{what}@host", *options],
            log=tmp_path / f"old-{what}.log",
            cwd=old_code,
            env={
                "WATCHKEEPER_DATABASE_URL": database.url,
                "WATCHKEEPER_BROKER_URL": broker_url,
                "WATCHKEEPER_HEARTBEAT_DIR": str(tmp_path / "heartbeats"),
                "PYTHONPATH": str(old_code),
                **QUICK,
            },
        )
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def done_once(connection: Any, runs: int) -> bool:
    """Whether all runs have succeeded, each item done once.

    Of a doorbell that it reads the old release keeps a failed run: it does not know that task.
    """
    states = connection.execute(
        "select state, count(*) as n from run where task = 'tests.counting' group by 1"
    ).fetchall()
    items = connection.execute(
        "select count(*) as n, count(distinct (run_id, item)) as items from effect"
    ).fetchone()
    whole = states == [{"state": "succeeded", "n": runs}]
    return bool(whole and items == {"n": 7 * runs, "items": 7 * runs})


def alive(connection: Any, role: str) -> Callable[[], Any]:
    query = "select 1 as one from heartbeat where role = %s"
    return lambda: connection.execute(query, (role,)).fetchone()


def test_a_worker_of_the_old_release_does_what_a_new_beat_announces(
    old_process: Any, celery_process: Any, new_run: Any, connection: Any, eventually: Any
) -> None:
    worker = old_process("worker", "-Q", "upkeep", "-c", "2")
    eventually(alive(connection, "worker"), within=60)
    celery_process("beat", **QUICK)
    for _ in range(20):
        new_run("tests.counting", items=7)

    eventually(lambda: done_once(connection, 20), within=90)
    assert worker.running


def test_old_and_new_workers_share_what_a_new_beat_announces(
    old_process: Any, celery_process: Any, new_run: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    for _ in range(20):
        new_run("tests.counting", items=7)
    # Announced by doorbells, which the old worker swallows.
    old_process("worker", "-Q", "upkeep", "-c", "1")
    eventually(alive(connection, "worker"), within=60)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    for _ in range(20):
        new_run("tests.counting", items=7)

    eventually(lambda: done_once(connection, 40), within=120)


def test_a_new_worker_does_what_a_beat_of_the_old_release_sends(
    old_process: Any, celery_process: Any, new_run: Any, connection: Any, eventually: Any
) -> None:
    beat = old_process("beat")
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    eventually(alive(connection, "worker"), within=60)
    for _ in range(20):
        new_run("tests.counting", items=7)

    eventually(lambda: done_once(connection, 20), within=90)
    assert beat.running
