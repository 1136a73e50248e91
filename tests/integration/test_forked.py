"""Processes of tests that are forked run a program as a fresh Python does, and end as under the guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forked import Forked

HERE = "tests.integration.test_forked"


def speak() -> None:
    print(os.environ["WATCHKEEPER_X_SAYS"], "HOME" in os.environ, Path.cwd(), *sys.argv[1:])
    sys.exit(7)


def look() -> None:
    from workers.ledger import faults
    from workers.settings import settings

    print("beat.scheduler" in sys.modules, "tasks.watches.rules" in sys.modules, faults._NAME)
    print(settings.cache_info().misses, "workers.execution.application" in sys.modules)


def share() -> None:
    from workers.processes import reports, shutdown, slots

    print(shutdown.requested(), reports.is_listened(), slots.news())
    shutdown.request()
    reports.set_listened(listened=True)
    slots.ring()
    print(shutdown.requested(), reports.is_listened(), slots.news())


def linger() -> None:
    child = os.fork()
    if child:
        print(child, flush=True)
    signal.pause()


def test_it_has_its_arguments_environment_folder_and_exit_status(tmp_path: Path) -> None:
    process = Forked(
        [f"{HERE}:speak", "a", "-b"], log=tmp_path / "log", env={"WATCHKEEPER_X_SAYS": "hello"}, cwd=tmp_path
    )  # fmt: skip
    process.start()

    assert process.wait(30) == process.status == 7
    assert process.tail() == f"hello {'HOME' in os.environ} {tmp_path} a -b"
    assert not process.running


def test_our_modules_are_there_but_no_task_and_nothing_of_another_environment(tmp_path: Path) -> None:
    env = {"WATCHKEEPER_FAULT_POINT": "after-publish:3"}
    process = Forked([f"{HERE}:look"], log=tmp_path / "log", env=env)
    process.start()

    assert process.wait(30) == 0
    assert process.tail().splitlines() == ["True True after-publish", "0 False"]


def test_memory_that_it_shares_with_its_children_is_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        process = Forked([f"{HERE}:share"], log=tmp_path / name)
        process.start()
        assert process.wait(30) == 0
        assert process.tail().splitlines() == ["False False 0", "True True 1"]


def test_what_it_started_ends_with_it_also_after_kill_9(tmp_path: Path, eventually: Any) -> None:
    process = Forked([f"{HERE}:linger"], log=tmp_path / "log")
    process.start()
    eventually(lambda: process.log.read_text().endswith("\n"), within=30)
    child = int(process.log.read_text())
    assert os.getpgid(child) == process.pid != os.getpid()

    process.kill()

    assert process.status == 128 + signal.SIGKILL
    eventually(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_process_that_ends_without_pythons_exit_leaves_no_folder(short_folder: Path) -> None:
    script = (
        "import os, pathlib; from tests.support import forked\n"
        "if __name__ == '__main__':\n"
        "    one = forked.Forked(['builtins:print'], log=pathlib.Path(os.environ['TMPDIR'], 'log'))\n"
        "    one.start(); one.wait(60); forked.forget(); os._exit(0)"
    )
    file = short_folder / "script.py"
    file.write_text(script)
    env = {**os.environ, "TMPDIR": str(short_folder), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, str(file)], check=True, env=env)

    assert list(short_folder.glob("pymp-*")) == []
