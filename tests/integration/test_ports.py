"""Ports that a process was given are its own until it ends, though nothing listens on them yet."""

from __future__ import annotations

import socket
import subprocess
import sys

from sandbox import ports
from sandbox.ports import free_port, free_ports, reserve

OTHER = (
    "import sys; from sandbox.ports import free_port; print(free_port(), flush=True); sys.stdin.read()"
)


def test_a_port_of_another_process_is_free_when_that_has_ended() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    port = int(other.stdout.readline())

    assert not reserve(port)
    other.kill()
    other.communicate()
    assert reserve(port)
    assert not reserve(port)


def test_a_port_that_somebody_listens_on_is_not_given() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
        server.listen()
        port = server.getsockname()[1]
        ports._reserved._ports.remove(port)

        assert not reserve(port)


def test_each_name_has_a_port_of_its_own() -> None:
    given = free_ports([str(number) for number in range(200)])

    assert len(set(given.values())) == 200
