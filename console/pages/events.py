"""GET /events: what changed, told to every visible tab by one LISTEN and one look a second."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from console import sql
from console.access import LoginNeeded, Visit, visiting
from console.database import Database, act_as
from console.queries import strip
from console.templating import environment
from workers.connections.postgres import connect_args
from workers.settings import settings

log = structlog.stdlib.get_logger("console")
router = APIRouter()

#: A sign of life is sent, and the login asked for again, at least so often (seconds).
SIGN_EVERY, LOGIN_EVERY = 15.0, 30.0
#: Keys beyond this are not listed: all parts of the page are asked for again.
MAX_KEYS = 200
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


@dataclass(frozen=True)
class News:
    """The keys of what changed and of what people edited, and the strip where it is another one."""

    keys: Sequence[str] = ()
    edited: Sequence[str] = ()
    strip: str | None = None

    def messages(self) -> list[bytes]:
        told = {
            event: json.dumps(keys if len(keys) <= MAX_KEYS else EVERYTHING)
            for event, keys in (("edited", self.edited), ("changed", self.keys))
            if keys
        }
        told |= {"strip": self.strip.strip()} if self.strip else {}
        return [format_sse_event(event=event, data_str=data) for event, data in told.items()]


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
            keys, edited = self._changed(connection)
            age = time.monotonic() - self.strip_at
            if not edited and age < (STRIP_GAP if keys else STRIP_EVERY):
                return News(sorted(keys))
            found, self.strip_at = strip.read(connection), time.monotonic()
        is_other, self.strip = found != self.strip, found
        template = environment().get_template("strip_items.html")
        drawn = template.render(strip=found) if is_other else None
        return News(sorted(keys), sorted(edited), drawn)

    def _changed(self, connection: Connection) -> tuple[set[str], set[str]]:
        """Keys of what changed, and of what people edited."""
        before, marks = self.seen, sql.rows(connection, "events.marks")
        self.seen = now = {(row["key"], row["edit"]): row for row in marks}
        if before is None:
            return set(EVERYTHING), set()
        changed = [
            row for key, row in now.items() if before.get(key, {"mark": key})["mark"] != row["mark"]
        ]
        gone = [row for key, row in before.items() if key not in now]
        changed += [row for row in gone if (row["mark"] or "").split(" ", 1)[0] in _OPEN]
        edited = {row["key"] for row in changed if row["edit"]}
        keys = {row[one] for row in changed if not row["edit"] for one in ("key", "also") if row[one]}
        return keys - edited, edited | ({CHANGES} if edited else set())


class Hub:
    """Runs while it has subscribers; each gets the news."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: set[asyncio.Queue[News]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._woken = asyncio.Event()
        #: As it was told last.
        self._strip: str | None = None

    @contextlib.asynccontextmanager
    async def subscribed(self) -> AsyncIterator[asyncio.Queue[News]]:
        queue: asyncio.Queue[News] = asyncio.Queue(MAX_WAITING)
        self._queues.add(queue)
        if self._tasks:
            # What changed since its page was drawn was told to others alone.
            queue.put_nowait(News(EVERYTHING, strip=self._strip))
        else:
            self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues:
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
                self._tell(news)
            await asyncio.sleep(MIN_GAP)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), MAX_GAP - MIN_GAP)
            self._woken.clear()

    def _tell(self, news: News) -> None:
        self._strip = news.strip or self._strip
        for queue in self._queues:
            told = news
            if queue.full():
                told = News(EVERYTHING, EVERYTHING, news.strip)
                while not queue.empty():
                    queue.get_nowait()
            queue.put_nowait(told)

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


@router.get("/events")
def events(request: Request, _: Visit) -> Response:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream = _stream(request, request.app.state.hub)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _stream(request: Request, hub: Hub) -> AsyncIterator[bytes]:
    yield format_sse_event(data_str=None, retry=2000)
    asked = time.monotonic()
    async with hub.subscribed() as queue:
        while True:
            try:
                news = await asyncio.wait_for(queue.get(), SIGN_EVERY)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
            else:
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
