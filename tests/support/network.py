"""Names of hosts that only a test knows, and servers that answer when a test says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Names:
    """Addresses by host; ``hang`` names whose lookup does not come back before the test ends."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}
        self.hang: set[str] = set()
        self.asked: list[str] = []
        self.over = threading.Event()

    def lookup(self, real: Callable[..., Any], host: Any, port: Any, *args: Any, **how: Any) -> Any:
        if host in self.hang:
            self.asked.append(host)
            self.over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "the test is over")
        if host not in self.of:
            return real(host, port, *args, **how)
        self.asked.append(host)
        return [found for one in self.of[host] for found in real(one, port, *args, **how)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    found, real = Names(), socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *args, **how: found.lookup(real, host, port, *args, **how),
    )
    yield found
    found.over.set()


class Hanging:
    """Leaves its first requests without an answer, then answers; keeps the requests' beginnings."""

    def __init__(self, hangs: int) -> None:
        self.hangs = hangs
        self.heard: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while heard := peer.recv(65536):
                if b" HTTP/1.1\r\n" not in heard:
                    continue
                self.heard.append(heard)
                if len(self.heard) > self.hangs:
                    peer.sendall(OK)
