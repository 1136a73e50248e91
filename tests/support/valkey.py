"""A real server of Redis's protocol: one a session, flushed for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.valkey import ValkeyServer
from tests.support.postgres import forget_caches
from tests.support.servers import start_server


@pytest.fixture(scope="session")
def valkey_server(scratch: Path) -> Iterator[ValkeyServer]:
    server = start_server(lambda port: ValkeyServer(scratch / "valkey", port))
    yield server
    server.stop()


@pytest.fixture
def broker_url(valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty broker, also in this process's settings and Celery app."""
    if not valkey_server.answers():
        valkey_server.start()
    valkey_server.flush()
    monkeypatch.setenv("WATCHKEEPER_BROKER_URL", valkey_server.url)
    forget_caches()
    from workers.app import app

    monkeypatch.setitem(app.conf, "broker_url", valkey_server.url)
    return valkey_server.url
