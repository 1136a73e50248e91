"""Servers on free ports: a port is free when it is chosen, and somebody may be faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sandbox.ports import free_port, is_port_lost
from sandbox.processes import NotStarted

ATTEMPTS = 5


class Server(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


def start_server(make: Callable[[int], S]) -> S:
    """Start what ``make(port)`` returns; on another port when somebody took the first one."""
    for left in reversed(range(ATTEMPTS)):
        port = free_port()
        server = make(port)
        try:
            server.start()
        except NotStarted as error:
            server.stop()
            if not left or not is_port_lost(error, [port]):
                raise
        else:
            return server
    raise AssertionError("the last attempt returns or raises")
