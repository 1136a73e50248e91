"""The faults of chaos: what is killed, stopped, cut, flushed, edited, and the log of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.support.chaos.cluster import Cluster, Network
from tests.support.chaos.plan import (
    ASIDE,
    ASIDE_QUEUE,
    ASIDE_WORKER,
    DAY_RAISE,
    DAY_UPSTREAM,
    LEASE,
    UPSTREAMS,
    WATCHED,
)
from workers.ledger.sent import CALL, Message

#: A worker that was killed never comes back under that name (seconds).
FOR_EVER = 1e9


class Faults:
    """Faults by a seed, and the log of them."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.began = time.monotonic()
        self.events: list[str] = []
        self.counts: Counter[str] = Counter()
        self.faults: list[tuple[int, Callable[[], str | None]]] = [
            (5, self.kill_worker), (5, self.kill_child), (6, self.stop_worker), (3, self.end_worker),
            (3, self.kill_beat), (3, self.stop_beat), (1, self.end_beat), (2, self.flush_redis),
            (2, self.kill_redis), (2, self.kill_postgres), (1, self.restart_postgres),
            (1, self.stop_postgres), (2, self.kill_upstream), (3, self.annoy), (3, self.edit),
            (2, self.ask), (3, self.cut_network), (2, self.freeze_network), (3, self.raise_quota),
            (2, self.ring_again),
        ]  # fmt: skip
        if cluster.pooler is not None:
            self.faults.append((3, self.kill_pooler))
        # A rule whose absence other faults seldom reach is looked for by one of its own.
        focus = {"fence": self.oversleep, "resend": self.lose_doorbell}.get(cluster.broken or "")
        if focus is not None:
            self.faults.append((20, focus))

    def strike(self) -> None:
        """One fault, or an edit as people make them."""
        weights = [weight for weight, _ in self.faults]
        fault = self.rng.choices([one for _, one in self.faults], weights)[0]
        what = fault()
        if what is not None:
            self.counts[fault.__name__] += 1
            self.events.append(f"{time.monotonic() - self.began:.1f} s: {fault.__name__} {what}")

    def _one(self, kind: str) -> Any:
        return self.cluster.parts[
            self.rng.choice([n for n in self.cluster.parts if n.startswith(kind)])
        ]

    def _hurt(self, part: Any, seconds: float = 0.0) -> str:
        """Note that the worker was killed, or slept for so long."""
        self.cluster.hurt.setdefault(part.node, []).append(time.time() + seconds)
        return str(part.node)

    def kill_worker(self) -> str:
        part = self._one("worker")
        part.group(signal.SIGKILL)
        return self._hurt(part, FOR_EVER)

    def kill_child(self) -> str | None:
        part = self._one("worker")
        return self._hurt(part) if part.running and part.child(self.rng, signal.SIGKILL) else None

    def stop_worker(self) -> str | None:
        part = self._one("worker")
        if not part.running or part.stopped_until:
            return None
        seconds = self.rng.uniform(0.5, 2 * LEASE)
        part.group(signal.SIGSTOP)
        part.stopped_until = time.monotonic() + seconds
        return f"{self._hurt(part, seconds)} for {seconds:.1f} s"

    def oversleep(self) -> str | None:
        """A worker sleeps until another one has done what it has in hand."""
        with self.cluster.sql() as sql:
            found = sql.execute(
                "select b.* from batch b join run r on r.id = b.run_id"
                " where b.state = 'running' and b.task = 'chaos.working' and r.options ->> 'upstream' is null"
                "   and b.total - b.done - b.failed - b.deferred >= 2 order by b.updated_at desc limit 1"
            ).fetchone()
            part = next(
                (one for one in self.cluster.parts.values() if found and one.node == found["worker"]),
                None,
            )
            if found is None or part is None or not part.running or part.stopped_until:
                return None
            part.group(signal.SIGSTOP)
            end = time.monotonic() + 4 * LEASE
            part.stopped_until = end + LEASE
            self._hurt(part, 5 * LEASE)
            taken = "select fence > %s and state = 'done' as by_another from batch where run_id = %s and seq = %s"
            key = (found["fence"], found["run_id"], found["seq"])
            while time.monotonic() < end and not (sql.execute(taken, key).fetchone() or {}).get(
                "by_another"
            ):
                self.let_pass(0.2)
            part.stopped_until = 0.0
            part.group(signal.SIGCONT)
        return f"{part.node} with {found['run_id']}/{found['seq']}"

    def lose_doorbell(self) -> str | None:
        """Redis loses the doorbell of a queue for which no other one is rung."""
        part = self.cluster.parts[ASIDE_WORKER]
        part.group(signal.SIGKILL)
        self._hurt(part, FOR_EVER)
        with self.cluster.sql() as sql:
            sql.execute("insert into run_request (action, schedule) values ('run', %s)", (ASIDE[0],))
            waits = "select count(*) as n from batch where queue = %s and state = 'sent'"
            end = time.monotonic() + LEASE
            while time.monotonic() < end:
                if (sql.execute(waits, (ASIDE_QUEUE,)).fetchone() or {}).get("n"):
                    # It is announced, and then rung for.
                    time.sleep(0.5)
                    self.cluster.valkey.flush()
                    return ASIDE_QUEUE
                time.sleep(0.1)
        return None

    def end_worker(self) -> str:
        part = self._one("worker")
        part.process.send(signal.SIGTERM)
        return self._hurt(part, FOR_EVER)

    def kill_beat(self) -> str:
        part = self._one("beat")
        part.group(signal.SIGKILL)
        return str(part.node)

    def stop_beat(self) -> str | None:
        part = self._one("beat")
        if not part.running or part.stopped_until:
            return None
        seconds = self.rng.uniform(0.5, 2 * LEASE)
        part.group(signal.SIGSTOP)
        part.stopped_until = time.monotonic() + seconds
        return f"{part.node} for {seconds:.1f} s"

    def end_beat(self) -> str:
        part = self._one("beat")
        part.process.send(signal.SIGTERM)
        return str(part.node)

    def flush_redis(self) -> str | None:
        self.cluster.valkey.flush()
        return ""

    def kill_redis(self) -> str:
        self.cluster.valkey.kill()
        seconds = self.rng.uniform(0, 4)
        self.let_pass(seconds)
        self.cluster.valkey.start()
        return f"for {seconds:.1f} s"

    @contextlib.contextmanager
    def _without_postgres(self) -> Iterator[None]:
        began = time.time()
        yield
        self.cluster.outages.append((began, time.time()))

    def kill_postgres(self) -> str:
        self.cluster.note_deadlocks()
        seconds = self.rng.choice([0.0, 1.6 * LEASE])
        with self._without_postgres():
            self.cluster.postgres.kill()
            self.let_pass(seconds)
            self.cluster.postgres.start()
        return f"for {seconds:.1f} s"

    def kill_pooler(self) -> str:
        """Every session ends, and there is none for a while."""
        seconds = self.rng.choice([0.0, 1.6 * LEASE])
        assert self.cluster.pooler is not None
        with self._without_postgres():
            self.cluster.pooler.kill()
            self.let_pass(seconds)
            self.cluster.pooler.start()
        return f"for {seconds:.1f} s"

    def restart_postgres(self) -> str:
        self.cluster.note_deadlocks()
        with self._without_postgres():
            self.cluster.postgres.stop()
            self.cluster.postgres.start()
        return ""

    def stop_postgres(self) -> str:
        """It hangs: connections stay, nobody answers."""
        seconds = self.rng.uniform(0.5, 1.4 * LEASE)
        process = self.cluster.postgres.process
        assert process is not None
        found = [process.pid, *_children(process.pid)]
        with self._without_postgres():
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for pid in found:
                    _send(pid, number)
                if number == signal.SIGSTOP:
                    self.let_pass(seconds)
        return f"for {seconds:.1f} s"

    def kill_upstream(self) -> str:
        name = self.rng.choice([*UPSTREAMS, *WATCHED])
        self.cluster.parts[name].group(signal.SIGKILL)
        return name

    def annoy(self) -> str:
        name = self.rng.choice(list(UPSTREAMS))
        what = self.rng.choice([{"down": 2}, {"retry_after": 2}, {"slow": 1.5}, {"slow": 0}])
        self.cluster.order(name, **what)
        return f"{name} {what}"

    def edit(self) -> str:
        """What changes no timing: the grid is checked."""
        name, priority = self.rng.choice(["quick", "slow", "calls-alpha"]), self.rng.randrange(10)
        with contextlib.suppress(psycopg.Error), self.cluster.sql() as sql:
            sql.execute("update schedule set priority = %s where name = %s", (priority, name))
            sql.execute("update quota set note = now()::text where upstream = 'alpha'")
        return f"{name} priority {priority}"

    def ask(self) -> str:
        """Run now, or stop what runs."""
        name = self.rng.choice(
            ["quick", "slow", "calls-beta", "plain-long", "plain-newest", "plain-retried"]
        )
        stop = self.rng.random() < 0.5
        with contextlib.suppress(psycopg.Error), self.cluster.sql() as sql:
            if stop:
                sql.execute(
                    "insert into run_request (action, run_id) select 'stop', id from run"
                    " where schedule = %s and state in ('due', 'running') limit 1", (name,)
                )  # fmt: skip
            else:
                sql.execute("insert into run_request (action, schedule) values ('run', %s)", (name,))
        return f"{'stop' if stop else 'run'} {name}"

    def cut_network(self) -> str | None:
        """One part reaches Postgres or Redis no more."""
        return self._hinder(Network.cut)

    def freeze_network(self) -> str | None:
        """What one part says to Postgres or Redis does not arrive, and no error says so."""
        return self._hinder(Network.freeze)

    def _hinder(self, how: Callable[[Network], None]) -> str | None:
        network = self.rng.choice(self.cluster.networks)
        if network.until:
            return None
        seconds = self.rng.uniform(0.5, 2 * LEASE)
        network.until = time.monotonic() + seconds
        self.cluster.cuts.append((network.part, time.time(), time.time() + seconds))
        how(network)
        return f"{network.part} to {network.what} for {seconds:.1f} s"

    def raise_quota(self) -> str:
        """The day's quota is spent soon; people allow some more."""
        calls = self.cluster.day_limits[-1][1] + DAY_RAISE
        self.cluster.day_limits.append((time.time(), calls))
        with self.cluster.sql() as sql:
            sql.execute("update quota set calls = %s where upstream = %s", (calls, DAY_UPSTREAM))
        return f"{DAY_UPSTREAM} to {calls}"

    def ring_again(self) -> str:
        """Messages come once more, as a broker may bring them."""
        with self.cluster.sql() as sql:
            rows = sql.execute(
                "select run_id::text, seq, fence, b.task, b.queue, b.priority, r.schedule,"
                f"      case when plain then {CALL} end as call"
                "  from batch b join run r on r.id = b.run_id where b.state in ('sent', 'running', 'done')"
                " order by updated_at desc limit 6"
            ).fetchall()
        self.cluster.send([Message(**row) for row in rows])
        return f"{len(rows)} messages"

    def let_pass(self, seconds: float) -> None:
        """Wait so long, tending what has died or slept its time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.cluster.tend()
            time.sleep(0.1)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
