"""A TCP proxy on loopback that cuts, freezes, or loses what it is told to lose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

#: Says of a piece on its way to the server: "pass", "lose" (cut before), "deafen" (pass, then cut).
Judge = Callable[[bytes], str]


class Proxy:
    """Stands before the server on ``port``; ``cut`` and ``mend`` as a network would."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = True
        self.judge: Judge = lambda _: "pass"
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        started.wait(10)

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._flowing = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._end.wait()
        server.close()
        self._abort()
        await asyncio.sleep(0.05)

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # From here on: the proxy may be stopped while it still connects.
        self._writers.add(writer)
        try:
            if not self._open:
                raise ConnectionRefusedError
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        await asyncio.gather(
            self._pump(reader, back, writer, self._judge), self._pump(there, writer, back, None)
        )

    def _judge(self, piece: bytes) -> str:
        return self.judge(piece)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        judge: Judge | None,
    ) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                verdict = judge(piece) if judge else "pass"
                if verdict == "deafen":
                    # The answer must not slip through: this side is closed first.
                    other.transport.abort()
                    sink.write(piece)
                    await sink.drain()
                    await asyncio.sleep(0.2)
                if verdict != "pass":
                    break
                await self._flowing.wait()
                sink.write(piece)
                await sink.drain()
        for one in (sink, other):
            one.transport.abort()
            self._writers.discard(one)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._open = False
        self._loop.call_soon_threadsafe(self._abort)

    def freeze(self) -> None:
        """Keep connections, carry nothing."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def mend(self) -> None:
        """Carry on, and take new connections."""
        self._open = True
        self._loop.call_soon_threadsafe(self._flowing.set)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(5)


@pytest.fixture
def proxy() -> Iterator[Callable[[int], Proxy]]:
    """``proxy(port)`` stands before that port; gone with the test."""
    made: list[Proxy] = []

    def make(target: int) -> Proxy:
        made.append(Proxy(target))
        return made[-1]

    yield make
    for one in made:
        one.stop()
