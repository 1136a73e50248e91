"""`make run` as a person meets it: up, green, Ctrl-C, and on with the data kept."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from sandbox import folders
from sandbox.environment import PORTS
from sandbox.processes import Process
from tests.support.processes import free_base
from tests.support.sandboxes import things_to_try, type_in_another_terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    with folders.temporary("watchkeeper-run-") as made:
        yield made / "data"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``sandbox("run", …)`` starts one; it ends with the test, however that ends."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        log = tmp_path / f"sandbox{len(started)}.log"
        process = Process([sys.executable, "-m", "sandbox", *arguments], log=log, cwd=ROOT)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop(grace=15.0)


def using(folder: Path) -> list[str]:
    """Commands of processes that were started with the folder in their arguments or environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command + env:
            found.append(command.replace(b"\0", b" ").decode())
    return found


@pytest.mark.timeout(600)
def test_run_turns_green_ends_by_ctrl_c_and_goes_on_with_its_data(
    folder: Path, sandbox: Callable[..., Process], eventually: Any
) -> None:
    first = free_base()
    place = ("--data", str(folder), "--port-base", str(first))
    run = sandbox("run", *place)
    eventually(lambda: "✔ discovery-demo" in run.tail(60) or not run.running, within=150, every=0.2)
    shown = run.tail(60)
    assert "Watchkeeper is up." in shown, shown
    assert f"Flower   http://127.0.0.1:{first + list(PORTS).index('flower')}" in shown
    assert shown.index("Console") < shown.index("Flower ")
    said = [type_in_another_terminal(thing) for thing in things_to_try(shown)]
    assert len(said) == 3
    assert "discovery-demo" in said[0]
    assert "of prices-demo is requested" in said[1]
    assert said[2].strip() == "UPDATE 1"
    # What follows exec is in the list of processes.
    for program in ("link", "psql", "watchkeeper"):
        assert "postgresql://" not in (folder / program).read_text().partition("exec ")[2]
    link = subprocess.run([str(folder / "link")], capture_output=True, text=True, check=True).stdout
    parts = re.fullmatch(r"http://(127\.0\.0\.1:\d+)(/link/\S+)\n", link)
    assert parts, link
    with closing(HTTPConnection(parts[1], timeout=30)) as login:
        login.request("POST", parts[2], headers={"Origin": f"http://{parts[1]}"})
        assert login.getresponse().status == 303

    other = subprocess.run(
        [sys.executable, "-m", "sandbox", "reset", "--data", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (other.returncode, "another sandbox runs" in other.stderr) == (1, True)
    # The limits of the imitations: those of the shipped upstreams would end the demo after five minutes.
    limits = "select string_agg(calls || ' per ' || per, ', ' order by calls) from quota where upstream = any('{alpha_vantage,head_fi}')"
    asked = f'psql -Atc "{limits}" && psql -Atc "select count(*) from token" && celery schedule list'
    counted = subprocess.run(
        ["sh", "-c", f". '{folder}/env' && {asked}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    limited, tokens, listed = counted.stdout.split("\n", 2)
    assert limited == "55 per 00:01:00, 60 per 00:01:00, 86400 per 1 day"
    assert "prices-demo" in listed

    if shutil.which("chromium"):
        draw = "update site set fetch_by = 'browser' where name = 'head_fi'"
        slots = "select name like 'browser@%' and detail -> 'slots' = '1' from heartbeat where detail -> 'queues' = '[\"browser\"]'"
        subprocess.run([str(folder / "psql"), "-qAtc", draw], check=True)
        group = [str(folder / "psql"), "-qAtc", slots]
        eventually(
            lambda: subprocess.run(group, capture_output=True, text=True, check=True).stdout == "t\n",
            within=60, every=0.5,
        )  # fmt: skip
        subprocess.run([str(folder / "psql"), "-qAtc", draw.replace("browser", "http")], check=True)

    os.kill(run.pid, signal.SIGINT)
    began = time.monotonic()
    assert run.wait(60) == 0, run.tail(40)
    assert time.monotonic() - began < 12
    assert not using(folder)

    again = sandbox("run", "--until-green", *place)
    assert again.wait(180) == 0, again.tail(60)
    assert re.search(r"green after \d+\.\d s", again.tail(60))
    assert f"{tokens} new" not in again.tail(60), "tokens of the first time are known"


def test_exec_starts_beats_and_workers_when_asked_and_leaves_nothing() -> None:
    query = "select role || ' ' || split_part(name, '@', 1) from heartbeat order by 1"
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", "--with", "beat=1,worker=1", "--",
         "sh", "-c", f'psql -Atc "{query}"; echo "$WATCHKEEPER_HEARTBEAT_DIR"'],
        cwd=ROOT, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    *beating, heartbeats = done.stdout.splitlines()
    assert beating == ["beat beat1", "worker worker1"], done.stderr
    folder = Path(heartbeats).parent
    assert not folder.exists()
    assert not using(folder)


def test_exec_says_that_a_program_is_not_there_in_a_shells_words() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", "--", "no-such-program"],
        cwd=ROOT, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip

    assert done.returncode == 127
    assert "program 'no-such-program' does not exist" in done.stderr
