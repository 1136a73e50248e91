"""Real processes of the system: imitation upstreams, workers, beats."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from sandbox.environment import PORTS
from sandbox.ports import free_port, reserve
from sandbox.processes import Process, wait_until
from tests.support.forked import CELERY, IMITATION, Forked
from tests.support.servers import start_server

ROOT = Path(__file__).parents[2]
#: Beat and workers for tests that wait for a lease to end, or for a lost message.
QUICK = {"WATCHKEEPER_LEASE_SECONDS": "3", "WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


class Imitation:
    """One imitation upstream."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        self.process.start()
        wait_until(lambda: is_up(f"{self.url}/_ready"), self.process, str(self.process.log.stem), 30.0)

    def stop(self) -> None:
        self.process.stop(grace=3.0)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def control(self, **what: Any) -> Any:
        request = urllib.request.Request(
            self.url + "/_control", json.dumps(what).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


def free_base() -> int:
    """The first of as many free ports in a row as a sandbox needs."""
    while True:
        first = free_port()
        if all(reserve(first + n) for n in range(1, len(PORTS))):
            return first


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


@pytest.fixture
def imitation(tmp_path: Path) -> Iterator[Callable[..., Imitation]]:
    """``imitation("alpha_vantage", "--limit", "5/6")`` starts one; it ends with the test."""
    started: list[Imitation] = []

    def start(name: str, *options: str) -> Imitation:
        def make(port: int) -> Imitation:
            log = tmp_path / f"{name}-{port}.log"
            return Imitation(Forked([IMITATION, name, "--port", str(port), *options], log=log), port)

        started.append(start_server(make))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def celery_process(tmp_path: Path, database: Any, broker_url: str) -> Iterator[Callable[..., Process]]:
    """``celery_process("worker", "-Q", "prices")`` starts a real one on this test's servers."""
    started: list[Process] = []

    def start(what: str, *options: str, app: str = "workers.app", **env: str) -> Process:
        name = f"{what}{len(started)}-{uuid.uuid4().hex[:6]}"
        named = ["-n", f"{name}@%h"] if what in {"worker", "beat"} else []
        quiet = ["--without-gossip", "--without-mingle"] if what == "worker" else []
        words = ["-A", app, what, *named, *quiet, *options]
        # Other variables are read by Python and by libraries when they start.
        fork = all(key.startswith(("WATCHKEEPER_", "FLOWER_", "TMPDIR")) for key in env)
        process = (Forked if fork else Process)(
            [CELERY, *words] if fork else [sys.executable, "-m", "celery", *words],
            log=tmp_path / f"{name}.log",
            cwd=ROOT,
            env={
                "WATCHKEEPER_DATABASE_URL": database.url,
                "WATCHKEEPER_BROKER_URL": broker_url,
                "WATCHKEEPER_HEARTBEAT_DIR": str(tmp_path / "heartbeats"),
                **{key: value for key, value in os.environ.items() if key.startswith("WATCHKEEPER_X")},
                **env,
            },
        )
        process.start()
        started.append(process)
        return process

    yield start
    # What the test wanted to see of an end in order, it has seen.
    for process in started:
        process.kill()
