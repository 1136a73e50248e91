"""Everything that chaos runs and breaks: servers, imitations, beats, workers, as processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from beat.tick.outbox import Outbox
from sandbox.ports import free_port
from sandbox.postgres import PostgresServer
from sandbox.processes import Process
from tests.support.chaos import plain
from tests.support.chaos.plan import (
    ASIDE,
    ASIDE_QUEUE,
    ASIDE_WORKER,
    BEHIND_NETWORKS,
    DAY_FIRST,
    DAY_UPSTREAM,
    LEASE,
    SCHEDULES,
    TRACES,
    UPSTREAMS,
    WATCHED,
)
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import forget_caches
from tests.support.proxy import Proxy
from tests.support.sentinel import SentinelServers
from tests.support.servers import start_server
from tests.support.valkey import broker, settings_of
from tests.support.waiting import wait_for
from workers.ledger.sent import Message

ROOT = Path(__file__).parents[3]


class Part:
    """One process of the system, started again under a new name each time."""

    def __init__(self, cluster: Cluster, name: str, command: list[str], env: dict[str, str]) -> None:
        self._cluster, self.name, self._command, self._env = cluster, name, command, env
        self.births = 0
        self.stopped_until = 0.0
        self.process: Process | None = None

    @property
    def node(self) -> str:
        return f"{self.name}.{self.births}@chaos"

    def start(self) -> None:
        self.births += 1
        command = [part.replace("NODE", self.node) for part in self._command]
        self.process = Process(
            command, log=self._cluster.folder / "logs" / f"{self.name}.log", cwd=ROOT, env=self._env
        )
        self.process.start()

    def group(self, number: int) -> None:
        """A signal to all of its processes, as when a machine sleeps or dies."""
        if self.process is not None and self.process.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def child(self, rng: random.Random, number: int) -> bool:
        """A signal to one process of its pool."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(OSError, ProcessLookupError):
            children = [int(pid) for pid in found.read_text().split()]
            if children:
                os.kill(rng.choice(children), number)
                return True
        return False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running


class Network:
    """The way of one part to Postgres or Redis."""

    def __init__(self, part: str, what: str, port: int) -> None:
        self.part, self.what = part, what
        self._proxy = Proxy(port)
        self.port, self.stop = self._proxy.port, self._proxy.stop
        #: When it is mended (monotonic clock); 0 while it is whole.
        self.until = 0.0

    def cut(self) -> None:
        self._proxy.cut()

    def freeze(self) -> None:
        self._proxy.freeze()

    def mend(self) -> None:
        self.until = 0.0
        self._proxy.mend()


class Cluster:
    """All parts, and the database that tells what became of the work."""

    def __init__(self, folder: Path, broken: str | None, slots: int = 16) -> None:
        self.folder = folder
        self._slots = slots
        self.postgres = start_server(lambda port: PostgresServer(folder / "postgres", port, fast=True))
        self.valkey = broker(folder / "valkey")
        self.pooler: PgBouncer | None = None
        if os.environ.get("WATCHKEEPER_TEST_POOLER"):
            self.pooler = start_server(lambda port: PgBouncer(folder / "pooler", port, self.postgres))
        self.ports = {name: free_port() for name in (*UPSTREAMS, *WATCHED)}
        self.broken = broken
        self.parts: dict[str, Part] = {}
        self.deadlocks = 0
        #: Until when each node was away (killed, stopped, a process killed), in Unix time.
        self.hurt: dict[str, list[float]] = {}
        self.networks: list[Network] = []
        #: Part, from when, until when its network was broken, in Unix time.
        self.cuts: list[tuple[str, float, float]] = []
        #: From when, until when Postgres was away, in Unix time.
        self.outages: list[tuple[float, float]] = []
        #: From when (Unix time) so many calls a day were allowed.
        self.day_limits = [(0.0, DAY_FIRST)]

    def start(self) -> None:
        """Tables, schedules, then the parts."""
        env = {
            "WATCHKEEPER_DATABASE_URL": self.postgres.login("service"),
            **settings_of(self.valkey),
            "WATCHKEEPER_LEASE_SECONDS": str(LEASE),
            "WATCHKEEPER_RESEND_AFTER_SECONDS": "3",
            "WATCHKEEPER_SWEEP_SECONDS": "3",
            "WATCHKEEPER_RELAX_INTERVALS": "true",
            plain.VARIABLE: str(plain.file_in(self.folder)),
        }
        if self.pooler is not None:
            url = self.pooler.through(env["WATCHKEEPER_DATABASE_URL"])
            env.update(WATCHKEEPER_DATABASE_URL=url, WATCHKEEPER_LISTEN="false")
        os.environ.update({**env, **self.postgres.migrate_env()})
        self._fill()
        for name in self.postgres.migrate_env():
            del os.environ[name]
        os.environ.update(env)
        forget_caches()
        if self.broken:
            env["CHAOS_BREAK"] = self.broken
        for name, (limits, concurrency) in UPSTREAMS.items():
            options = [part for calls, per in limits for part in ("--limit", f"{calls}/{per}")]
            self._add(name, [sys.executable, "-m", "sandbox.upstreams", "generic", "--port",
                             str(self.ports[name]), "--log", str(self.folder / f"{name}.jsonl"), *options,
                             "--concurrency", str(concurrency), "--latency", "lognormal:20,1,600"], {})  # fmt: skip
        for name in WATCHED:
            self._add(name, [sys.executable, "-m", "sandbox.upstreams", name, "--port", str(self.ports[name]),
                             "--log", str(self.folder / f"{name}.jsonl"), "--latency", "lognormal:20,1,600"], {})  # fmt: skip
        celery = [sys.executable, "-m", "celery", "-A", "tests.support.chaos.kinds"]
        for number in (1, 2):
            self._add(f"beat{number}", [*celery, "beat", "-n", "NODE"], self._env(f"beat{number}", env))
        queues = {"worker1": "upkeep", "worker2": "upkeep", "worker3": "upkeep"}
        if self.broken == "resend":
            queues[ASIDE_WORKER] = ASIDE_QUEUE
        for name, queue in queues.items():
            self._add(name, [*celery, "worker", "-Q", queue, "-n", "NODE", "--autoscale=3,1",
                                          "--slots", str(self._slots), "-O", "fair", "--without-gossip", "--without-mingle"],
                      self._env(name, env))  # fmt: skip

    def _env(self, part: str, env: dict[str, str]) -> dict[str, str]:
        """Some parts reach Postgres and Redis by networks that can be broken."""
        if part not in BEHIND_NETWORKS:
            return env
        changed = dict(env)
        ways = [("Postgres", (self.pooler or self.postgres).port, "WATCHKEEPER_DATABASE_URL")]
        # Sentinel names the server itself, so that there is no way around it to break.
        if not isinstance(self.valkey, SentinelServers):
            ways.append(("Redis", self.valkey.port, "WATCHKEEPER_BROKER_URL"))
        for what, port, name in ways:
            network = Network(part, what, port)
            self.networks.append(network)
            changed[name] = env[name].replace(f":{port}/", f":{network.port}/")
        return changed

    def _add(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.parts[name] = Part(self, name, command, env)
        self.parts[name].start()

    def _fill(self) -> None:
        import tests.support.chaos.kinds  # noqa: F401 - registers the kinds
        from workers import migrate

        if migrate.main() != 0:
            raise RuntimeError("migrate failed")
        with self.sql() as sql:
            sql.execute("alter database watchkeeper set synchronous_commit = on")
            # Sooner than any lock_timeout: who gives up first hides a wrong order of locks.
            sql.execute("alter database watchkeeper set deadlock_timeout = '30ms'")
            sql.execute("delete from schedule where after is not null")
            sql.execute("delete from schedule")
            sql.execute(TRACES)
            sql.execute(
                "insert into allowed_network values ('127.0.0.0/8', 'chaos') on conflict do nothing"
            )
            for name, (limits, concurrency) in UPSTREAMS.items():
                sql.execute(
                    "insert into upstream (name, base_url, concurrency) values (%s, %s, %s)",
                    (name, f"http://127.0.0.1:{self.ports[name]}", concurrency),
                )
                for calls, per in limits:
                    sql.execute(
                        "insert into quota (upstream, per, calls) values (%s, %s, %s)",
                        (name, timedelta(seconds=per), calls),
                    )
            sql.execute(
                "insert into quota (upstream, per, calls) values (%s, '1 day', %s)",
                (DAY_UPSTREAM, DAY_FIRST),
            )
            for name in WATCHED:
                sql.execute(
                    "update upstream set base_url = %s, spacing = '0' where name = %s",
                    (f"http://127.0.0.1:{self.ports[name]}", name),
                )
            aside = [ASIDE] if self.broken == "resend" else []
            for name, every, kind, options, columns in SCHEDULES + aside:
                row = {"name": name, "task": kind, "every": timedelta(seconds=every),
                       "options": json.dumps(options), "catch_up": "all", **columns}  # fmt: skip
                marks = ", ".join(f"%({column})s" for column in row)
                sql.execute(f"insert into schedule ({', '.join(row)}) values ({marks})", row)
            if self.broken:
                from tests.support.chaos.broken_rules import IN_SQL

                sql.execute(IN_SQL.get(self.broken, "select 1"))

    @contextlib.contextmanager
    def sql(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        with psycopg.connect(
            self.postgres.url(), autocommit=True, row_factory=dict_row, connect_timeout=5
        ) as connection:
            yield connection

    def wait_for_work(self) -> None:
        """Wait until every worker has begun to live, and one has done something."""
        with self.sql() as sql:
            query = "select (select count(*) from heartbeat) >= 5 and exists (select from effect) as up"
            wait_for(lambda: (sql.execute(query).fetchone() or {}).get("up"), within=60, every=0.2)

    def order(self, name: str, **what: Any) -> None:
        """Tell an imitation to misbehave."""
        url = f"http://127.0.0.1:{self.ports[name]}/_control"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(
                urllib.request.Request(url, json.dumps(what).encode()), timeout=2
            ).close()

    def send(self, messages: Iterable[Message]) -> None:
        """Send a message for each of these batches, whatever became of it."""
        from tests.support.chaos.kinds import app

        outbox = Outbox(app)
        try:
            outbox.publish(messages)
        finally:
            outbox.close()

    def note_deadlocks(self) -> None:
        """Postgres forgets its counts in a crash, so they are read before."""
        with contextlib.suppress(psycopg.Error), self.sql() as sql:
            row = sql.execute(
                "select deadlocks from pg_stat_database where datname = current_database()"
            ).fetchone()
            self.deadlocks = max(self.deadlocks, row["deadlocks"] if row else 0)

    def was_hurt(self, node: str, since: float, until: float) -> bool:
        """Whether a worker was hurt, or cut off, at some time between its claim and a loss (Unix time)."""
        begin = since - 1.0
        return any(end > begin for end in self.hurt.get(node, ())) or any(
            node.startswith(f"{part}.") and start < until and end > begin
            for part, start, end in self.cuts
        )

    def was_away(self, since: float, until: float) -> bool:
        """Whether Postgres was, at some time between the two (Unix time)."""
        return any(start < until and end > since - 1.0 for start, end in self.outages)

    def tend(self) -> None:
        """Start what has died, wake what has slept its time."""
        for part in self.parts.values():
            if part.stopped_until and time.monotonic() > part.stopped_until:
                part.stopped_until = 0.0
                part.group(signal.SIGCONT)
            if not part.running:
                part.stopped_until = 0.0
                part.start()
        for network in self.networks:
            if network.until and time.monotonic() > network.until:
                network.mend()

    def all_up(self) -> None:
        """End every fault."""
        if not self.postgres.answers():
            self.postgres.start()
        if self.pooler is not None and not self.pooler.answers():
            self.pooler.start()
        if not self.valkey.answers():
            self.valkey.start()
        for part in self.parts.values():
            if part.stopped_until:
                part.stopped_until = 0.0
                part.group(signal.SIGCONT)
        for network in self.networks:
            network.mend()
        self.tend()

    def stop(self) -> None:
        for part in self.parts.values():
            part.group(signal.SIGCONT)
            if part.process is not None:
                part.process.send(signal.SIGTERM)
        for part in self.parts.values():
            if part.process is not None:
                part.process.stop(grace=4.0)
        for network in self.networks:
            network.stop()
        if self.pooler is not None:
            self.pooler.stop()
        self.valkey.stop()
        self.postgres.stop()
