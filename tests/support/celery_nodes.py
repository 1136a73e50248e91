"""pytest-celery's nodes over processes of this machine: the same tests need no Docker.

pytest-celery asks little of what it calls a container: a name, a state, a log, and to be killed or
restarted.  `LocalProcess` gives it that; broker and worker are the library's own classes above it.
"""

from __future__ import annotations

import signal as signals
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    RedisContainer,
    RedisTestBroker,
)

from sandbox.processes import Process, wait_until
from sandbox.valkey import ValkeyServer


class LocalProcess:
    """A guarded process in the shape of docker-py's container."""

    def __init__(self, name: str, process: Process) -> None:
        self.id = uuid.uuid4().hex
        self.name = name
        self.process = process
        self.attrs: dict[str, Any] = {
            "Config": {"Hostname": "127.0.0.1", "Env": []},
            "HostConfig": {"PortBindings": {}},
            "NetworkSettings": {"Networks": {}, "Ports": {}},
        }

    @property
    def status(self) -> str:
        return "running" if self.process.running else "exited"

    def reload(self) -> None:
        """Its state is read from the process each time."""

    def kill(self, signal: str | int | None = None) -> None:
        """Send a signal, SIGKILL by default, and see the end of it."""
        number = signals.Signals[signal] if isinstance(signal, str) else signals.Signals(signal or 9)
        self.process.send(number)
        self.process.wait(15.0)
        self.process.close_pipe()

    def restart(self, timeout: float = 10) -> None:
        if self.process.running:
            self.process.stop(grace=timeout)
        self.process.start()

    def logs(self) -> bytes:
        return self.process.log.read_bytes() if self.process.log.exists() else b""

    def exec_run(self, cmd: str) -> tuple[int, bytes]:
        done = subprocess.run(cmd, shell=True, capture_output=True)
        return done.returncode, done.stdout


class BrokerNode(RedisContainer):
    """The session's Valkey server."""

    def __init__(self, server: ValkeyServer) -> None:
        assert server.process is not None
        super().__init__(LocalProcess("valkey", server.process))
        self._server = server

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return self._server.url

    host_url = url

    def _wait_ready(self, timeout: int = 30) -> bool:
        assert self._server.process is not None
        wait_until(self._server.answers, self._server.process, "Valkey", timeout)
        return True


class WorkerNode(CeleryWorkerContainer):
    """A worker of the project's own app."""

    def _wait_ready(self, timeout: int = 60) -> bool:
        process: Process = self._container.process
        wait_until(lambda: b"ready." in self._container.logs(), process, "worker", timeout)
        return True

    def teardown(self) -> None:
        """Processes end with the fixture that started them."""


class Setup(CeleryTestSetup):
    """Tests talk through the project's app, not through one made for the test."""

    @classmethod
    def create_setup_app(
        cls, celery_setup_config: dict[str, Any], celery_setup_app_name: str
    ) -> Celery:
        from tests.support.kinds import app

        return app


@pytest.fixture
def celery_setup_cls() -> type[CeleryTestSetup]:
    return Setup


@pytest.fixture
def celery_broker_cluster(valkey_server: ValkeyServer, broker_url: str) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(RedisTestBroker(BrokerNode(valkey_server)))


@pytest.fixture
def celery_backend_cluster() -> None:
    """Results are in the ledger: there is no result backend."""


@pytest.fixture
def worker_node(
    celery_process: Callable[..., Process], celery_setup_app: Celery
) -> Callable[..., CeleryTestWorker]:
    """``worker_node("-Q", "prices")`` starts one more worker."""

    def start(*options: str, **env: str) -> CeleryTestWorker:
        process = celery_process("worker", *options, app="tests.support.kinds", **env)
        return CeleryTestWorker(WorkerNode(LocalProcess(process.log.stem, process)), celery_setup_app)

    return start


@pytest.fixture
def celery_worker_cluster(
    worker_node: Callable[..., CeleryTestWorker],
) -> Iterator[CeleryWorkerCluster]:
    """One worker, of every queue."""
    cluster = CeleryWorkerCluster(
        worker_node(
            "-Q", "discovery,prices,listings,notices,upkeep", "-c", "2", WATCHKEEPER_LEASE_SECONDS="3"
        )
    )
    yield cluster
    cluster.teardown()
