"""A real server of Redis's protocol: one a session, flushed for each test.

The wheel's Valkey; WATCHKEEPER_TEST_REDIS names another program, and WATCHKEEPER_TEST_SENTINEL=1 puts
Sentinels before two of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.valkey import ValkeyServer
from tests.support.postgres import forget_caches
from tests.support.sentinel import MASTER, SentinelServers, server_program
from tests.support.servers import start_server


def broker(folder: Path) -> ValkeyServer | SentinelServers:
    """As the environment wants it, started."""
    if os.environ.get("WATCHKEEPER_TEST_SENTINEL"):
        return start_server(lambda _: SentinelServers(folder))
    return start_server(lambda port: ValkeyServer(folder, port, program=server_program()))


def settings_of(server: ValkeyServer | SentinelServers) -> dict[str, str]:
    """What beat and workers must know of it."""
    named = {"WATCHKEEPER_BROKER_MASTER": MASTER} if isinstance(server, SentinelServers) else {}
    return {"WATCHKEEPER_BROKER_URL": server.url, **named}


@pytest.fixture(scope="session")
def valkey_server(scratch: Path) -> Iterator[ValkeyServer | SentinelServers]:
    server = broker(scratch / "valkey")
    yield server
    server.stop()


@pytest.fixture
def broker_url(valkey_server: ValkeyServer | SentinelServers, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty broker, also in this process's settings and Celery app."""
    if not valkey_server.answers():
        valkey_server.start()
    valkey_server.flush()
    use(valkey_server, monkeypatch)
    return valkey_server.url


def use(server: ValkeyServer | SentinelServers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(server).items():
        monkeypatch.setenv(name, value)
    forget_caches()
    from workers.app import app
    from workers.connections.sentinel import transport_options
    from workers.pool.broker import TRANSPORT_OPTIONS

    options = {**TRANSPORT_OPTIONS, **transport_options()}
    monkeypatch.setitem(app.conf, "broker_url", server.url)
    monkeypatch.setitem(app.conf, "broker_transport_options", options)
