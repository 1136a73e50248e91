"""Servers that treat their callers badly: silence, answers drop by drop, answers without end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

#: What is done with one connection.
Treat = Callable[[socket.socket], None]


def say_nothing(peer: socket.socket) -> None:
    """Take the call and never answer."""
    with peer, suppress(OSError):
        while peer.recv(65536):
            pass


def never_end(peer: socket.socket) -> None:
    """Answer at once, and go on for ever, as fast as it is read."""
    with peer, suppress(OSError):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            peer.sendall(b"x" * 65536)


def drop_by_drop(peer: socket.socket) -> None:
    """Answer a byte at a time: something always comes, the whole never."""
    with peer, suppress(OSError):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            peer.sendall(b"x")
            threading.Event().wait(0.05)


@pytest.fixture
def odd_server() -> Iterator[Callable[[Treat], int]]:
    """A server that treats each connection as it is told."""
    sockets: list[socket.socket] = []

    def start(treat: Treat) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=treat, args=(peer,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    for one in sockets:
        one.close()
