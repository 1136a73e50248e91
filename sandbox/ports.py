"""Free ports for servers that start later, and whether a server lost its port to another program."""

import contextlib
import fcntl
import functools
import os
import random
import re
import socket
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

#: Messages of servers whose port is taken: Postgres, Valkey, Python and Tornado.
_PORT_LOST = re.compile(r"address (is )?already in use|could not bind|is taken", re.IGNORECASE)
#: The kernel's range of ports for outgoing connections.
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: Below are ports of well-known servers.
_MIN_PORT = 20_000
#: Processes that seed `random` alike, as parallel tests do, must not draw the same ports.
_CHANCE = random.SystemRandom()
#: So many ports stay reserved for a process; after them the oldest are free for others.
_KEPT = 256


def free_port() -> int:
    return free_ports(["one"])["one"]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A free port for each name, all different.

    Other processes of this user are not given them while this process lives. They are random ports below
    the kernel's range, because any outgoing connection may take one of it.
    """
    return {name: _free_one() for name in names}


def _free_one() -> int:
    for _ in range(100):
        port = _CHANCE.randrange(_MIN_PORT, _outgoing())
        if reserve(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        last: int = probe.getsockname()[1]
        return last


def reserve(port: int) -> bool:
    """Keep the port for this process; False when it is used, or reserved by whoever calls this."""
    return port not in _reserved and not is_taken(port) and _reserved.add(port)


class _Reserved:
    """Ports of this process: locked bytes of a file that the processes of a user share.

    The kernel frees them when the process ends. A forked process has none of its parent's.
    """

    def __init__(self) -> None:
        self._ports: deque[int] = deque()
        self._file: int | None = None

    def __contains__(self, port: int) -> bool:
        return port in self._ports

    def add(self, port: int) -> bool:
        if self._file is None:
            name = Path(tempfile.gettempdir(), f"watchkeeper-ports-{os.geteuid()}")
            self._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        self._ports.append(port)
        if len(self._ports) > _KEPT:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._ports.popleft())
        return True


_reserved = _Reserved()


@functools.cache
def _outgoing() -> int:
    """The first port of outgoing connections."""
    with contextlib.suppress(OSError, ValueError):
        first = int(_RANGE.read_text().split()[0])
        if first > _MIN_PORT + 1000:
            return first
    return 32_768


def is_port_lost(error: Exception, ports: Iterable[int]) -> bool:
    """Whether a part did not start because its port was taken (after all parts have ended)."""
    return _PORT_LOST.search(str(error)) is not None or any(map(is_taken, ports))


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
