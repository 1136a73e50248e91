"""The thread that looks whether its worker still reads messages, and writes that it lives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from workers.pool import watchdog

ANSWERS = {b"PING": b"+PONG\r\n", b"HELLO": b"%1\r\n+proto\r\n:3\r\n"}


@pytest.fixture
def dying_redis() -> Iterator[str]:
    """The URL of a Redis that greets, and hangs up when it is asked how long a queue is."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer:
            while (asked := peer.recv(65536)) and b"LLEN" not in asked:
                for command in asked.split(b"*")[1:]:
                    name = command.split(b"\r\n")[2]
                    peer.sendall(ANSWERS.get(name, b"+OK\r\n"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    listener.close()


def test_a_redis_that_hangs_up_while_it_is_asked_ends_no_heartbeat(
    dying_redis: str, database: object, connection: Any
) -> None:
    queues = [SimpleNamespace(name="upkeep")]
    consumer = SimpleNamespace(
        app=Celery(broker=dying_redis), hostname="here", pool=SimpleNamespace(num_processes=2),
        task_consumer=SimpleNamespace(queues=queues), controller=SimpleNamespace(autoscaler=None),
    )  # fmt: skip
    thread = watchdog._Thread(consumer)

    thread._check_consuming()

    found = connection.execute("select name from heartbeat where role = 'worker'").fetchall()
    assert [row["name"] for row in found] == ["here"]
