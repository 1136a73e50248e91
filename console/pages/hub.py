"""What changed, told to every open page: one LISTEN and one look a second while somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection

from console.database import Database, act_as
from console.queries import strip
from console.queries.strip import Strip
from console.sql import statement
from workers.connections.postgres import connect_args
from workers.settings import settings

log = structlog.stdlib.get_logger("console")

#: Least and longest time between two looks (seconds).
MIN_GAP, MAX_GAP = 0.3, 1.0
#: Delay before LISTEN is tried again (seconds).
RETRY_DELAY = 10.0
#: Messages that wait for a slow browser; beyond it, "everything changed" takes their place.
MAX_WAITING = 20
EVERYTHING = ("*",)
#: The key of the list of changes.
CHANGES = "change:*"
#: Edits of what people own; a NOTIFY of each run would cost its commit.
CHANNEL = "watchkeeper_change"
#: The strip is read at least, and without an edit at most, so often (seconds).
STRIP_EVERY, STRIP_GAP = 15.0, 2.0
#: First words of marks whose end is a change, too.
_OPEN = frozenset({"due", "running", "held", "unplanned"})


@dataclass
class Looker:
    """Compares what it sees with what it saw before."""

    seen: dict[Any, Any] | None = None
    strip: Strip | None = None
    strip_at: float = float("-inf")

    def look(self, connection: Connection) -> tuple[set[str], set[str]]:
        """Keys of what changed, and of what people edited."""
        before, self.seen = (
            self.seen,
            {(row.key, row.edit): row for row in connection.execute(statement("hub.marks"))},
        )
        if before is None:
            return set(), set()
        changed = [
            row for key, row in self.seen.items() if key not in before or before[key].mark != row.mark
        ]
        changed += [
            row
            for key, row in before.items()
            if key not in self.seen and (row.mark or "").split(" ", 1)[0] in _OPEN
        ]
        edited = {row.key for row in changed if row.edit}
        keys = {key for row in changed if not row.edit for key in (row.key, row.also) if key}
        return keys - edited, edited | ({CHANGES} if edited else set())


def look(database: Database, draw: Callable[[Strip], str]) -> Callable[[Looker], News]:
    """One look in the role of a viewer; the strip is read when something changed, or now and then."""

    def once(looker: Looker) -> News:
        with database.transaction() as connection:
            act_as(connection, "viewer", "console", "console")
            keys, edited = looker.look(connection)
            age = time.monotonic() - looker.strip_at
            if not edited and age < (STRIP_GAP if keys else STRIP_EVERY):
                return News(sorted(keys))
            found, looker.strip_at = strip.read(connection), time.monotonic()
        drawn = None if found == looker.strip else draw(found)
        looker.strip = found
        return News(sorted(keys), sorted(edited), drawn)

    return once


@dataclass(frozen=True)
class News:
    """The keys of what changed and of what people edited, and the strip where it is another one."""

    keys: Sequence[str] = ()
    edited: Sequence[str] = ()
    strip: str | None = None


class Hub:
    """Runs while it has subscribers; each gets the news."""

    def __init__(self, url: str, look: Callable[[Looker], News]) -> None:
        self._url = url
        self._look = look
        self._queues: set[asyncio.Queue[News]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._woken = asyncio.Event()

    @contextlib.asynccontextmanager
    async def subscribed(self) -> AsyncIterator[asyncio.Queue[News]]:
        queue: asyncio.Queue[News] = asyncio.Queue(MAX_WAITING)
        self._queues.add(queue)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues:
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    async def _watch(self) -> None:
        looker = Looker()
        lost = False
        while True:
            try:
                news = await asyncio.to_thread(self._look, looker)
                if lost:
                    news, lost = News(EVERYTHING, EVERYTHING, news.strip), False
            except Exception as error:  # the database is away: the strip says so once it is back
                if not lost:
                    log.warning("console.look_failed", error=type(error).__name__)
                news, lost, looker = News(), True, Looker()
            if news != News():
                self._tell(news)
            await asyncio.sleep(MIN_GAP)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), MAX_GAP - MIN_GAP)
            self._woken.clear()

    def _tell(self, news: News) -> None:
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(News(EVERYTHING, EVERYTHING, news.strip))
            else:
                queue.put_nowait(news)

    async def _listen(self) -> None:
        """Wakes the look at once; where LISTEN is unavailable the look of each second is enough."""
        while settings().listen:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, **connect_args("console (listening)")
                ) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for _ in connection.notifies():
                        self._woken.set()
            except psycopg.Error as error:
                log.info("console.listen_lost", error=type(error).__name__)
            await asyncio.sleep(RETRY_DELAY)
