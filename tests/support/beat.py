"""Beat driven by hand: the real scheduler on real servers, one round of its steps at a time."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from psycopg.rows import dict_row

from beat.tick.claim_rate import ClaimRate
from workers.processes.doorbells import SESSION, batch_id

KIND = "tests.noop"


class Drive:
    """One beat and the ledger it works on."""

    def __init__(self, database: Any, broker_url: str, scheduler: Any) -> None:
        self.scheduler = scheduler
        self._url = database.admin_url
        self.sql: psycopg.Connection[dict[str, Any]]
        self.reconnect()
        self.redis = redis.Redis.from_url(broker_url, protocol=2)
        self.kind()

    def reconnect(self) -> None:
        """Connect, also again after Postgres was away; the scheduler goes on too."""
        self.sql = psycopg.connect(self._url, autocommit=True, row_factory=dict_row)
        self.scheduler._closing = False

    def kind(self, name: str = KIND, **columns: Any) -> None:
        given = {"description": "A test's", "options_schema": '{"type": "object"}', "queue": "upkeep"}
        self._insert("task_kind", {"name": name, **given, **columns})

    def schedule(self, name: str, **columns: Any) -> None:
        if not {"every", "cron", "at", "after"} & columns.keys():
            columns["every"] = timedelta(hours=1)
        if "options" in columns:
            columns["options"] = json.dumps(columns["options"])
        self._insert("schedule", {"name": name, "task": KIND, **columns})

    def edit(self, name: str, **columns: Any) -> None:
        pairs = ", ".join(f'"{column}" = %({column})s' for column in columns)
        self.sql.execute(
            f"update schedule set {pairs} where name = %(_name)s", {**columns, "_name": name}
        )

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        columns = ", ".join(f'"{column}"' for column in row)
        values = ", ".join(f"%({column})s" for column in row)
        self.sql.execute(f"insert into {table} ({columns}) values ({values})", row)

    def now(self) -> datetime:
        return self.one("select clock_timestamp() as now")["now"]  # type: ignore[no-any-return]

    def work(self, after: timedelta | None = None, *, rounds: int = 1) -> None:
        """Let beat do its steps, as if ``after`` had passed."""
        for _ in range(rounds):
            for step in self.scheduler._steps:
                step.not_before = 0.0
            if self.scheduler._context is not None:
                self.scheduler._context.marks.forget()
                self.scheduler._context.next_loss_check = self.scheduler._context.next_ring = 0.0
                self.scheduler._context.rate = ClaimRate(0.0)
            self.scheduler.work(None if after is None else self.now() + after)

    def one(self, query: str, *values: Any) -> dict[str, Any]:
        row = self.sql.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.sql.execute(query, values).fetchall()

    def state(self, name: str) -> dict[str, Any]:
        return self.one("select * from schedule_state where schedule = %s", name)

    def runs(self, name: str) -> list[dict[str, Any]]:
        return self.all("select * from run where schedule = %s order by due_at, created_at", name)

    def states(self, name: str) -> list[str]:
        return [run["state"] for run in self.runs(name)]

    def start(self, name: str) -> None:
        """Begin the due runs of ``name``, as workers would."""
        self.sql.execute(
            "update batch set state = 'running', fence = fence + 1, send_at = null, sends = 0,"
            " worker = 'w', alone = true, lease_until = clock_timestamp() + interval '30 seconds'"
            " where run_id in (select id from run where schedule = %s and state = 'due')",
            (name,),
        )
        self.sql.execute(
            "update run set state = 'running', started_at = clock_timestamp(),"
            " deadline_at = clock_timestamp() + timeout where schedule = %s and state = 'due'",
            (name,),
        )

    def end(self, name: str, state: str = "succeeded", *, error: str | None = None) -> None:
        """End the active runs of ``name``, as their workers would."""
        self.sql.execute(
            "update batch set state = 'done', send_at = null, finished_at = clock_timestamp()"
            " where run_id in (select id from run where schedule = %s and state in ('due', 'running'))",
            (name,),
        )
        self.sql.execute(
            "update run set state = %s, error = %s, open_batches = 0, finished_at = clock_timestamp()"
            " where schedule = %s and state in ('due', 'running')",
            (state, error, name),
        )

    def queued(self) -> list[dict[str, Any]]:
        """Messages in the broker, in the order in which a worker gets them."""
        keys: Any = [f"{queue}{step}" for queue in QUEUES for step in STEPS]
        bodies: list[Any] = []
        for key in keys:
            found: Any = self.redis.lrange(key, 0, -1)
            bodies += reversed(found)
        return [json.loads(body) for body in bodies]

    def queued_ids(self) -> list[uuid.UUID]:
        """Celery's ids of the batches that a message of their own or a doorbell announces."""
        messages = self.queued()
        rung = {name for one in messages if (name := _rings_for(one))}
        announced = self.all(
            "select run_id, seq, fence from batch where state = 'sent' and sends = 0 and queue = any(%s)"
            " order by priority desc, send_at",
            sorted(rung),
        )
        own = [uuid.UUID(one["headers"]["id"]) for one in messages if not _rings_for(one)]
        return own + [uuid.UUID(batch_id(*row.values())) for row in announced]

    def doorbells(self) -> list[str]:
        """The queues whose doorbells nobody has heard yet."""
        return [name for one in self.queued() if (name := _rings_for(one))]

    def old_worker(self, *queues: str) -> None:
        """From now on a worker of an older release, which knows no doorbells, serves these queues."""
        self.sql.execute(
            "insert into heartbeat (name, role, seen_at, detail)"
            " values ('old@host', 'worker', '2199-01-01', jsonb_build_object('queues', %s::text[]))",
            (list(queues),),
        )

    def close(self) -> None:
        self.scheduler.close()
        self.sql.close()
        self.redis.close()


def _rings_for(message: dict[str, Any]) -> str | None:
    if message["headers"]["task"] != SESSION:
        return None
    ((queue,), _, _) = json.loads(base64.b64decode(message["body"]))
    return str(queue)


QUEUES = ("discovery", "prices", "listings", "notices", "upkeep")
STEPS = ("", *(f"\x06\x16{step}" for step in range(1, 10)))


@pytest.fixture
def new_beat(database: Any, broker_url: str) -> Iterator[Callable[[], Any]]:
    """``new_beat()`` makes one more scheduler on this test's servers, in this process."""
    from beat.scheduler import DatabaseScheduler
    from workers.app import app

    made: list[DatabaseScheduler] = []

    def make() -> DatabaseScheduler:
        made.append(DatabaseScheduler(app=app))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.close()


@pytest.fixture
def drive(database: Any, broker_url: str, new_beat: Callable[[], Any]) -> Iterator[Drive]:
    driven = Drive(database, broker_url, new_beat())
    yield driven
    driven.close()
