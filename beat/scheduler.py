"""`DatabaseScheduler`: Celery's beat, obeying the tables and nothing else.

Any number of beats share the work by SKIP LOCKED; there is no leader.  ``tick`` does every step that is
ready, each in a short transaction of its own, then waits for news or for the next due time.  It never
raises: while Postgres or the broker is away it says so once, and tries again.
"""

from __future__ import annotations

import socket
import time
from datetime import datetime
from typing import Any

import psycopg
import redis.exceptions
import structlog
from celery.beat import Scheduler
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import SQLAlchemyError

from beat import answers, claiming, defaults, ending, outbox, releasing, states
from beat.beating import Beating
from beat.ledger import Message
from beat.sessions import SessionBook
from beat.wakeup import Wakeup
from workers import claims
from workers.db import connect_args, reset, transaction
from workers.faults import point
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

AWAY = (
    psycopg.Error,
    SQLAlchemyError,
    redis.exceptions.RedisError,
    BrokerError,
    OSError,
)
#: Longest pause between two attempts while something is away (seconds).
LONGEST_BACK_OFF = 2.0
#: Steps that look at whole tables' edges happen this often (seconds).
ROUND = 1.0


class DatabaseScheduler(Scheduler):
    """Reads `schedule`, writes `run` and `batch`, sends messages."""

    max_interval = 5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._wakeup = Wakeup()
        self._outbox: outbox.Outbox | None = None
        self._beating: Beating | None = None
        self._book = SessionBook()
        self._in_tick = self._closing = False
        self._away_since: float | None = None
        self._back_off = 0.1
        self._connected_at = 0.0
        self._next_round = self._next_sweep = 0.0
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Nothing is loaded: the first tick connects.  Entries from code become rows once."""
        self._outbox = outbox.Outbox(self.app)
        name = f"beat-{socket.gethostname()}-{id(self):x}"
        self._beating = Beating(name, self._outbox)

    def get_schedule(self) -> dict[str, Any]:
        """Celery's view of entries: none, they are rows."""
        return {}

    schedule = property(get_schedule)

    @property
    def info(self) -> str:
        """A line of beat's banner."""
        return "    . db -> Postgres, table schedule"

    def tick(self, *_: Any, **__: Any) -> float:
        """Do what is ready, then wait for news or the next due time; never raises."""
        self._in_tick = True
        try:
            connection = self._connect()
            now = self._now(connection)
            busy = self._work(connection, now)
            self._back()
            if not busy:
                self._wakeup.wait(self._pause(connection))
        except AWAY as error:
            self._lost(error)
        finally:
            self._in_tick = False
            if self._closing:
                self._release()
        return 0.0

    def _work(self, connection: psycopg.Connection[Any], now: datetime) -> bool:
        """Every step once; True when there may be more to do at once."""
        limit = settings().claim_limit
        edits = claiming.plan_edited(connection, now, limit, self._book)
        claimed = claiming.claim_due(connection, now, limit, self._book)
        point("after-claim-commit")
        self._send(connection, claimed)
        asked = answers.answer_one(connection, now, self._book)
        self._send(connection, asked or [])
        self._send(connection, ending.conclude(connection, now, limit, self._book))
        self._send(connection, releasing.release_held(connection, now, limit))
        releasing.release_waiting(connection, now)
        sent = outbox.send_ready(connection, self._box, now, limit)
        self._beat.count(sent)
        if time.monotonic() >= self._next_round:
            self._next_round = time.monotonic() + ROUND
            self._round(connection, now, limit)
        return bool(edits or claimed or asked is not None or sent)

    def _round(self, connection: psycopg.Connection[Any], now: datetime, limit: int) -> None:
        """Steps that need not happen at once: stops, deadlines, rescue, the sweep, our sign."""
        with transaction() as alchemy:
            ending.stop_asked(alchemy, limit)
            ending.end_overdue(alchemy, now, limit)
        if self._may_rescue(connection):
            with transaction() as alchemy:
                for run_id, seq, state in claims.rescue(alchemy, now, limit):
                    log.warning("batch.rescued", run_id=str(run_id), seq=seq, state=state)
        if time.monotonic() >= self._next_sweep:
            began = time.monotonic()
            claiming.plan_unplanned(connection, now, limit, self._book)
            # A large table is swept less often: the sweep never takes more than a hundredth of beat.
            cost = time.monotonic() - began
            self._next_sweep = time.monotonic() + max(settings().sweep_seconds, 100 * cost)
        self._beat.beat()

    def _may_rescue(self, connection: psycopg.Connection[Any]) -> bool:
        """One lease after Postgres or we came back: an outage must not expire living workers."""
        lease = settings().lease_seconds
        if time.monotonic() - self._connected_at < lease:
            return False
        row = connection.execute(
            "select clock_timestamp() - pg_postmaster_start_time() > %s * interval '1 second'", (lease,)
        ).fetchone()
        return bool(row and row[0])

    def _send(self, connection: psycopg.Connection[Any], messages: list[Message]) -> None:
        outbox.send(connection, self._box, messages)
        self._beat.count(len(messages))

    @property
    def _box(self) -> outbox.Outbox:
        if self._outbox is None:
            self._outbox = outbox.Outbox(self.app)
        return self._outbox

    @property
    def _beat(self) -> Beating:
        if self._beating is None:
            self._beating = Beating(f"beat-{socket.gethostname()}", self._box)
        return self._beating

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                settings().libpq_dsn, autocommit=True, **connect_args("beat")
            )
            defaults.insert_entries(self._connection, self.app)
            self._wakeup.open()
            self._connected_at = time.monotonic()
            # What was said while we did not listen is found by looking.
            self._next_round = self._next_sweep = 0.0
        return self._connection

    @staticmethod
    def _now(connection: psycopg.Connection[Any]) -> datetime:
        row = connection.execute("select clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101 - a select without from has one row
        now: datetime = row[0]
        return now

    def _pause(self, connection: psycopg.Connection[Any]) -> float:
        """Seconds until something may be due, at most a second."""
        row = connection.execute(
            f"select extract(epoch from least(({states.NEXT_CLAIM}), ({outbox.NEXT_SEND}))"  # noqa: S608
            " - clock_timestamp())::float8"
        ).fetchone()
        until = row[0] if row and row[0] is not None else ROUND
        return min(max(until, 0.0), ROUND)

    def _lost(self, error: Exception) -> None:
        """Postgres or the broker is away: say so once, let go, try again soon."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.error("beat.away", error=f"{type(error).__name__}: {str(error).strip()[:300]}")
        if not isinstance(error, (redis.exceptions.RedisError, BrokerError)):
            self._release()
        if not self._closing:
            time.sleep(self._back_off)
        self._back_off = min(self._back_off * 2, LONGEST_BACK_OFF)

    def _back(self) -> None:
        if self._away_since is not None:
            log.info("beat.back", after_seconds=round(time.monotonic() - self._away_since, 1))
        self._away_since = None
        self._back_off = 0.1

    def _release(self) -> None:
        self._wakeup.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        reset()

    def close(self) -> None:
        """Let go of all connections; Celery calls this twice, once in the middle of a tick."""
        self._closing = True
        if not self._in_tick:
            self._release()
            if self._outbox is not None:
                self._outbox.close()
