"""A wheel of the project runs the demo without a clone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import folders
from sandbox.processes import Process
from tests.support import wheels
from tests.support.processes import free_base
from tests.support.sandboxes import things_to_try, type_in_another_terminal


@pytest.fixture
def folder() -> Iterator[Path]:
    with folders.temporary("watchkeeper-wheel-") as made:
        yield made


@pytest.fixture
def programs(folder: Path) -> Path:
    (folder / "dist").mkdir()
    return wheels.install(wheels.build(folder / "dist"), folder / "venv", "sandbox")


@pytest.mark.timeout(600)
def test_a_wheel_runs_the_demo_and_what_its_screen_says_to_try(
    folder: Path, programs: Path, eventually: Any
) -> None:
    asked = "import workers, beat, tasks, console, sandbox; print(workers.__file__, sandbox.__file__)"
    found = subprocess.run(
        [programs / "python", "-I", "-c", asked], cwd="/", capture_output=True, text=True, check=True
    )
    assert found.stdout.count(str(programs.parent)) == 2

    command = [str(programs / "watchkeeper"), "demo", "--data", str(folder / "data")]
    env = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": "", "VIRTUAL_ENV": ""}
    demo = Process([*command, "--port-base", str(free_base())], log=folder / "log", env=env, cwd=folder)
    demo.start()
    try:
        eventually(lambda: "✔ prices-demo" in demo.tail(60) or not demo.running, within=240, every=0.2)
        said = [type_in_another_terminal(thing) for thing in things_to_try(demo.tail(60))]
        assert "listings-demo" in said[0]
        assert "of prices-demo is requested" in said[1]
        assert "UPDATE 1" in said[2]
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 0, demo.tail(40)
    finally:
        demo.stop(grace=15.0)
