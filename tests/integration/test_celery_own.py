"""Celery's own tasks, options and signals work beside the kinds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import celery
import pytest

from tests.support.runs import KINDS
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
BUILT_IN = (
    "celery.accumulate", "celery.backend_cleanup", "celery.chain", "celery.chord", "celery.chord_unlock",
    "celery.chunks", "celery.group", "celery.map", "celery.starmap",
)  # fmt: skip


def test_tasks_that_celery_brings_keep_its_base() -> None:
    from tests.support.kinds import app
    from workers.execution.task import Task

    app.finalize()
    for name in BUILT_IN:
        assert not isinstance(app.tasks[name], Task), name
    assert isinstance(app.tasks["tests.counting"], Task)


def test_a_task_without_options_of_a_kind_is_plain() -> None:
    from workers.execution.application import Application
    from workers.execution.task import Task

    app = Application("own")

    @app.task(name="own.add", bind=True)
    def add(self: Any, x: int, y: int) -> int:
        return x + y

    @app.task
    def bare() -> int:
        return 7

    assert not isinstance(add, Task)
    assert not isinstance(bare, Task)
    assert (add.apply((2, 3)).get(), bare.apply().get()) == (5, 7)


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ([7], {}, "takes options by name, not (7,)"),
        (["not-a-run", 0], {}, "takes options by name, not ('not-a-run', 0)"),
        ([str(uuid.UUID(int=5)), "x"], {}, "takes options by name"),
        ([1, 2, 3], {"items": 5}, "takes options by name, not (1, 2, 3)"),
        ([str(uuid.UUID(int=5)), 0], {"items": 5}, "takes options by name"),
        ([], {"items": "a\x00b"}, "options cannot be stored"),
    ],
)
def test_arguments_that_a_kind_cannot_take_leave_a_failed_run_that_says_so(
    kinds: Any, connection: Any, args: list[Any], kwargs: dict[str, Any], said: str
) -> None:
    task = kinds.app.tasks["tests.counting"]
    for task_id in (str(uuid.uuid4()), "an id of somebody's own"):
        for _ in range(2):
            task.apply(args, kwargs, task_id=task_id)

    runs = connection.execute("select * from run order by created_at").fetchall()
    assert [run["state"] for run in runs] == ["failed", "failed"]
    for run in runs:
        assert said in run["error"]
        assert "celery call tests.counting --kwargs" in run["error"]


def test_a_call_of_an_unknown_task_leaves_a_failed_run(
    celery_process: Callable[..., Any], kinds: Any, connection: Any
) -> None:
    celery_process("worker", "-c", "1", "-Q", "upkeep", app=KINDS)
    sent = kinds.app.send_task("no.such.task", (1, 2), {"name": "x"}, queue="upkeep")

    def found() -> Any:
        return connection.execute("select * from run where id = %s", (sent.id,)).fetchone()

    wait_for(found, 30.0)
    run = found()
    assert (run["state"], run["task"]) == ("failed", "no.such.task")
    assert "knows no task named 'no.such.task'" in run["error"]
    assert run["options"] == {"args": [1, 2], "kwargs": {"name": "x"}}


def test_a_worker_writes_to_its_logfile_at_its_loglevel(
    celery_process: Callable[..., Any], kinds: Any, tmp_path: Path
) -> None:
    loud, quiet = tmp_path / "loud.log", tmp_path / "quiet-%n.log"
    celery_process("worker", "-c", "1", "-Q", "upkeep", "-f", str(loud), "-l", "DEBUG", app=KINDS)
    celery_process("worker", "-c", "1", "-Q", "upkeep", "-f", str(quiet), "-l", "ERROR", app=KINDS)

    wait_for(lambda: loud.exists() and " ready." in loud.read_text(), 30.0)
    assert "debug" in loud.read_text()
    wait_for(lambda: list(tmp_path.glob("quiet-worker*.log")), 30.0)
    assert "info" not in next(tmp_path.glob("quiet-worker*.log")).read_text()


def test_a_detached_beat_writes_its_logfile(
    database: Any, broker_url: str, kinds: Any, tmp_path: Path
) -> None:
    log, pid = tmp_path / "detached.log", tmp_path / "beat.pid"
    options = ["--detach", "--logfile", str(log), "--pidfile", str(pid), "-l", "INFO"]
    # Not under the guard of the other processes: it ends what its command leaves behind.
    subprocess.run(
        [sys.executable, "-m", "celery", "-A", KINDS, "beat", *options],
        cwd=ROOT,
        env={
            **os.environ,
            "WATCHKEEPER_DATABASE_URL": database.url,
            "WATCHKEEPER_BROKER_URL": broker_url,
            "WATCHKEEPER_HEARTBEAT_DIR": str(tmp_path / "heartbeats"),
        },
        check=True,
    )
    wait_for(pid.exists, 30.0)
    try:
        wait_for(lambda: log.exists() and "beat: Starting" in log.read_text(), 30.0)
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)
        wait_for(lambda: not pid.exists(), 30.0)


OWN_LOGS = """
import logging, sys
from celery import signals
from workers.app import app
logging.basicConfig(filename=sys.argv[1], format="OWN %(levelname)s %(message)s", level="INFO")
{more}
app.log.setup(loglevel="DEBUG", logfile=sys.argv[2], redirect_stdouts=False)
import structlog
logging.getLogger("mine").info("of a library")
structlog.stdlib.get_logger("ours").info("of.ours", number=7)
"""


@pytest.mark.parametrize(
    "more", ["signals.setup_logging.connect(lambda **_: None, weak=False)", "app.conf.worker_hijack_root_logger = False"]
)  # fmt: skip
def test_logging_that_its_user_has_set_up_is_left_alone(tmp_path: Path, more: str) -> None:
    """Celery asks `setup_logging`, or is told not to hijack the root logger."""
    own, celerys = tmp_path / "own.log", tmp_path / "celery.log"
    script = [sys.executable, "-c", OWN_LOGS.format(more=more), own, celerys]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "OWN INFO of a library\n" in own.read_text()
    assert "of.ours" in own.read_text() + done.stdout + done.stderr
    assert not celerys.exists() or not celerys.read_text()


def test_beat_has_celerys_entries_sync_and_close(drive: Any) -> None:
    scheduler = drive.scheduler
    synced: list[int] = []
    scheduler.sync = lambda: synced.append(1)
    connection = scheduler.connection
    assert scheduler.producer is not None
    scheduler.schedule = {
        "x": celery.beat.ScheduleEntry("x", "tests.noop", schedule=5, app=scheduler.app)
    }
    assert list(scheduler.schedule) == ["x"]

    scheduler.close()

    assert synced
    assert "producer" not in scheduler.__dict__
    assert "connection" not in scheduler.__dict__
    assert not connection.connected
