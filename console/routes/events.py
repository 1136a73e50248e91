"""GET /events: what changed, told to every visible tab by one LISTEN and one look a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import structlog
from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from console import sql
from console.access import Database, LoginNeeded, Visit, act_as, visiting
from console.queries import strip
from console.templating import environment
from workers.connections.postgres import connect_args
from workers.settings import settings

log = structlog.stdlib.get_logger("console")
router = APIRouter()

#: The login is asked for again at least so often (seconds).
LOGIN_EVERY = 30.0
#: Keys beyond this are not listed: all parts of the page are asked for again.
MAX_KEYS = 200
#: Least and longest time between two looks (seconds).
MIN_GAP, MAX_GAP = 0.3, 1.0
#: Delay before LISTEN is tried again (seconds).
RETRY_DELAY = 10.0
EVERYTHING = frozenset({"*"})
#: The key of the list of changes.
CHANGES = "change:*"
#: Edits of what people own; a NOTIFY of each run would cost its commit.
CHANNEL = "watchkeeper_change"
#: The strip is read at least, and without an edit at most, so often (seconds).
STRIP_EVERY, STRIP_GAP = 15.0, 2.0
#: First words of marks whose end is a change, too.
_OPEN = frozenset({"due", "running", "held", "unplanned"})


@dataclass(frozen=True)
class News:
    """The keys of what changed and of what people edited, and the strip where it is another one."""

    keys: frozenset[str] = frozenset()
    edited: frozenset[str] = frozenset()
    strip: str | None = None

    def and_then(self, later: "News") -> "News":
        return News(self.keys | later.keys, self.edited | later.edited, later.strip or self.strip)

    def messages(self) -> Iterator[ServerSentEvent]:
        for event, keys in (("edited", self.edited), ("changed", self.keys)):
            if keys:
                yield ServerSentEvent(
                    event=event, data=sorted(keys if len(keys) <= MAX_KEYS else EVERYTHING)
                )
        if self.strip:
            yield ServerSentEvent(event="strip", raw_data=self.strip.strip())


@dataclass
class Looker:
    """Compares what it sees with what it saw before; at first anything may have changed."""

    database: Database
    seen: dict[Any, sql.Row] | None = None
    strip: sql.Row | None = None
    strip_at: float = float("-inf")

    def look(self) -> News:
        """In the role of a viewer; the strip is read when something changed, or now and then."""
        with self.database.transaction() as connection:
            act_as(connection, "viewer", "console", "console")
            news = self._changed(connection)
            age = time.monotonic() - self.strip_at
            if not news.edited and age < (STRIP_GAP if news.keys else STRIP_EVERY):
                return news
            found, self.strip_at = strip.read(connection), time.monotonic()
        if found == self.strip:
            return news
        self.strip = found
        return replace(news, strip=environment().get_template("strip_items.html").render(strip=found))

    def _changed(self, connection: Connection) -> News:
        before, marks = self.seen, sql.rows(connection, "events.marks")
        self.seen = now = {(row["key"], row["edit"]): row for row in marks}
        if before is None:
            return News(EVERYTHING)
        changed = [
            row for key, row in now.items() if before.get(key, {"mark": key})["mark"] != row["mark"]
        ]
        gone = [row for key, row in before.items() if key not in now]
        changed += [row for row in gone if (row["mark"] or "").split(" ", 1)[0] in _OPEN]
        edited = frozenset(row["key"] for row in changed if row["edit"])
        keys = {row[one] for row in changed if not row["edit"] for one in ("key", "also") if row[one]}
        return News(frozenset(keys - edited), edited | ({CHANGES} if edited else set()))


class Hub:
    """Runs while it has subscribers; each finds the news that it has not read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unread: dict[asyncio.Event, News] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._woken = asyncio.Event()
        #: As it was told last.
        self._strip: str | None = None

    async def news(self) -> AsyncIterator[News]:
        told = asyncio.Event()
        # What changed since its page was drawn was told to others alone.
        self._unread[told] = News(EVERYTHING, strip=self._strip) if self._tasks else News()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]
        try:
            while True:
                found, self._unread[told] = self._unread[told], News()
                yield found
                told.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), LOGIN_EVERY / 2)
        finally:
            del self._unread[told]
            if not self._unread:
                for task in self._tasks:
                    task.cancel()
                self._tasks, self._strip = [], None

    async def _watch(self) -> None:
        looker, lost = Looker(self._database), False
        while True:
            try:
                news = await asyncio.to_thread(looker.look)
                if lost:
                    news, lost = News(EVERYTHING, EVERYTHING, news.strip), False
            except Exception as error:  # the database is away: the strip says so once it is back
                if not lost:
                    log.warning("console.look_failed", error=type(error).__name__)
                news, lost, looker = News(), True, Looker(self._database)
            if news != News():
                self._strip = news.strip or self._strip
                for told, unread in self._unread.items():
                    self._unread[told] = unread.and_then(news)
                    told.set()
            await asyncio.sleep(MIN_GAP)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), MAX_GAP - MIN_GAP)
            self._woken.clear()

    async def _listen(self) -> None:
        """Wakes the look at once; where LISTEN is unavailable the look of each second is enough."""
        while settings().listen:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database.url, autocommit=True, **connect_args("console (listening)")
                ) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for _ in connection.notifies():
                        self._woken.set()
            except psycopg.Error as error:
                log.info("console.listen_lost", error=type(error).__name__)
            await asyncio.sleep(RETRY_DELAY)


@router.get("/events", response_class=EventSourceResponse)
async def events(request: Request, _: Visit) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(retry=2000)
    asked = time.monotonic()
    async with contextlib.aclosing(request.app.state.hub.news()) as told:
        async for news in told:
            for message in news.messages():
                yield message
            if time.monotonic() - asked > LOGIN_EVERY:
                if not await run_in_threadpool(_may_still, request):
                    return
                asked = time.monotonic()


def _may_still(request: Request) -> bool:
    try:
        with visiting(request):
            return True
    except LoginNeeded:
        return False
