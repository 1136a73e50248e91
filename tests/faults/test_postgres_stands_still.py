"""Postgres stands still for five seconds while 1,000 calls are in flight, and their answers come in meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench_threads import Fleet
from tests.support.tools import open_files

CALLS, PROCESSES = 1_000, 4
STALL = 5.0
#: Connections to Postgres that a process may have.
MAX_CONNECTIONS = 8


class HeldBack:
    """An upstream that answers nobody until it is told to, and then all at once."""

    def __init__(self) -> None:
        self.in_flight = self.most = 0
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._go, self._end = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=CALLS)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await self._end.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)
                await self._go.wait()
                self.in_flight -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()

    def answer_all(self) -> None:
        self._loop.call_soon_threadsafe(self._go.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture
def upstream(connection: Any) -> Iterator[HeldBack]:
    with open_files(2 * CALLS):
        server = HeldBack()
        connection.execute(
            "insert into upstream (name, base_url, concurrency) values ('generic', %s, %s)",
            (server.url, 2 * CALLS),
        )
        yield server
        server.close()


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """All processes of that server are stopped, connections stay."""
    found = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    for one in found:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in found:
            os.kill(one, signal.SIGCONT)


def connections_to(port: int) -> int:
    """Sockets of this machine that are connected to that port, or try to be."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(row[2].endswith(f":{port:04X}") and row[3] in {"01", "02"} for row in rows)


@pytest.mark.timeout(300)
def test_1000_calls_in_flight_are_settled_late_and_never_early_without_a_storm_of_connections(
    upstream: HeldBack, new_run: Any, connection: Any, postgres_server: Any, eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("WATCHKEEPER_LOG_LEVEL", "WARNING")
    runs = [str(new_run("tests.calling", items=1, timeout=60.0)) for _ in range(CALLS)]
    fleet = Fleet("tests.support.kinds", "tests.calling", runs, PROCESSES, CALLS // PROCESSES)
    working = threading.Thread(target=fleet.work, daemon=True)
    try:
        working.start()
        eventually(lambda: upstream.in_flight == CALLS, within=100)
        opened, threads = sessions(connection), fleet.threads()
        most: list[tuple[int, int]] = []
        with standing_still(postgres_server.process.pid):
            answered_at = time.time()
            upstream.answer_all()
            while time.time() < answered_at + STALL:
                most.append((connections_to(postgres_server.port), fleet.threads()))
                threading.Event().wait(0.1)
        working.join(120)
        assert not working.is_alive()
    finally:
        fleet.stop()

    ended = connection.execute("select state, count(*) as n from run group by 1").fetchall()
    assert ended == [{"state": "succeeded", "n": CALLS}]
    permits = connection.execute(
        "select count(*) as n, bool_and(settled) as settled, bool_and(stamp >= to_timestamp(%s)) as late,"
        "       bool_and(stamp <= clock_timestamp()) as over from permit", (answered_at,)
    ).fetchone()  # fmt: skip
    assert permits == {"n": CALLS, "settled": True, "late": True, "over": True}
    assert upstream.most == CALLS
    # Its threads wait, and no process opens more than its connections: none instead of one that is silent.
    assert max(number for number, _ in most) <= PROCESSES * MAX_CONNECTIONS + 1
    assert max(number for _, number in most) <= threads + PROCESSES
    assert sessions(connection) - opened <= PROCESSES * MAX_CONNECTIONS


def sessions(connection: Any) -> int:
    """How many connections were ever made to this database."""
    row = connection.execute(
        "select pg_stat_force_next_flush(), sessions from pg_stat_database where datname = current_database()"
    ).fetchone()
    return int(row["sessions"])
