"""Two workers, beat and an operator, step by step over the ledger: what is promised holds in any order.

Each step is one transaction of the ledger, or the part of one after which the other parties may come in
between.  Nobody waits for a lock: who finds one taken goes on with something else.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from workers.errors import LeaseLost
from workers.ledger import claimed, ended, handed_back, renewed, rescued, runs, sent, stopped, taken
from workers.ledger.claimed import BatchLease
from workers.ledger.ended import Done
from workers.ledger.finished import Ending

LEASE = timedelta(seconds=30)
WORKERS = st.sampled_from(["one", "two"])
KIND = "tests.counting"


class Ledger(RuleBasedStateMachine):
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.sql = psycopg.connect(self.url, autocommit=True)
        self.sql.execute("set lock_timeout = '30ms'")
        self.sql.execute("truncate run cascade")
        #: Leases that each worker believes to have, also those that are lost.
        self.held: dict[str, list[BatchLease]] = {"one": [], "two": []}
        #: An outcome whose transaction is open, by worker.
        self.open: dict[str, tuple[psycopg.Connection[Any], BatchLease]] = {}
        self.ends: Counter[tuple[uuid.UUID, int]] = Counter()

    def teardown(self) -> None:
        for connection, _ in self.open.values():
            connection.close()
        self.sql.close()

    @contextmanager
    def step(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction of somebody who waits for nobody."""
        try:
            with self.sql.transaction():
                yield self.sql
        except (psycopg.errors.LockNotAvailable, LeaseLost):
            pass

    @rule(batches=st.integers(1, 3))
    def beat_makes_a_run(self, batches: int) -> None:
        run_id = uuid.uuid4()
        self.sql.execute(
            "insert into run (id, task, trigger, due_at, state, queue, batch_count, open_batches,"
            " max_attempts) values (%s, %s, 'manual', clock_timestamp(), 'due', 'upkeep', %s, %s, 3)",
            (run_id, KIND, batches, batches),
        )
        self.sql.execute(
            "insert into batch (run_id, seq, task, queue, items, total)"
            ' select %s, n, %s, \'upkeep\', \'[{"key": "a", "state": "waiting"}]\', 1'
            "   from generate_series(0, %s) n",
            (run_id, KIND, batches - 1),
        )

    @rule(limit=st.integers(1, 4))
    def beat_announces(self, limit: int) -> None:
        with self.step() as connection:
            sent.announce(connection, renewed.clock(connection), limit)

    @rule(worker=WORKERS, most=st.integers(1, 4), alone=st.booleans())
    def a_worker_takes(self, worker: str, most: int, alone: bool) -> None:
        ready = taken.candidates(self.sql, ["upkeep"], [KIND], most, 2.0)
        if ready:
            keys = [one.key for one in ready]
            self.held[worker] += taken.take(self.sql, keys, worker, LEASE, alone=alone)

    @rule(worker=WORKERS)
    def a_worker_renews(self, worker: str) -> None:
        leases = self.held[worker]
        with self.step() as connection:
            found = renewed.renew(connection, leases, LEASE)
            valid = {(run_id, seq, fence) for run_id, seq, fence in renewed.running(connection)}
            for lease, what in zip(leases, found, strict=True):
                assert what.held == ((lease.run_id, lease.seq, lease.fence) in valid)

    @rule(worker=WORKERS, number=st.integers(1, 3))
    def a_worker_ends_several_in_one_statement(self, worker: str, number: int) -> None:
        mine = [one for one in self.held[worker] if one.run["batch_count"] == 1][:number]
        items = [{"key": "a", "state": "done", "counts": {"counted": 1}}]
        if not mine:
            return
        try:
            found = ended.end_whole(self.sql, [Done(one, items, False, None) for one in mine])
        except psycopg.errors.LockNotAvailable:
            return
        for lease, run in zip(mine, found, strict=True):
            self.held[worker].remove(lease)
            if run is not None:
                assert run.state == "succeeded"
                self.ends[lease.run_id, lease.seq] += 1

    @rule(worker=WORKERS, state=st.sampled_from(["done", "failed"]))
    def a_worker_ends_one(self, worker: str, state: str) -> None:
        if self.held[worker]:
            lease = self.held[worker].pop()
            with self.step() as connection:
                ended.end(connection, lease, state, Ending("it broke" if state == "failed" else None))
                self.ends[lease.run_id, lease.seq] += 1

    @rule(worker=WORKERS)
    def a_worker_begins_its_last_outcome(self, worker: str) -> None:
        if worker in self.open or not self.held[worker]:
            return
        lease = self.held[worker].pop(0)
        connection = psycopg.connect(self.url)
        connection.execute("set lock_timeout = '30ms'")
        try:
            runs.lock_briefly(connection, lease.run_id)
            claimed.check_fence(connection, lease)
        except (psycopg.errors.LockNotAvailable, LeaseLost):
            connection.close()
            return
        self.open[worker] = connection, lease

    @rule(worker=WORKERS, dies=st.booleans())
    def a_worker_commits_its_last_outcome_or_dies(self, worker: str, dies: bool) -> None:
        if worker not in self.open:
            return
        connection, lease = self.open.pop(worker)
        if not dies:
            claimed.write_items(connection, lease, {0: {"key": "a", "state": "done"}})
            run = runs.lock_briefly(connection, lease.run_id)
            ended.end_locked(connection, lease, run, "done", Ending())
            connection.commit()
            self.ends[lease.run_id, lease.seq] += 1
        connection.close()

    @rule(worker=WORKERS, number=st.integers(1, 3))
    def a_worker_hands_back(self, worker: str, number: int) -> None:
        given, self.held[worker] = self.held[worker][:number], self.held[worker][number:]
        with self.step() as connection:
            handed_back.hand_back_all(connection, given, "the worker is shutting down")

    @rule()
    def beat_rescues_all(self) -> None:
        """Every lease has ended; workers that sleep believe that they still have them."""
        with self.step() as connection:
            later = renewed.clock(connection) + 2 * LEASE
            rescued.rescue(connection, later, 100)

    @rule(worker=WORKERS, counts=st.booleans())
    def a_parent_takes_over(self, worker: str, counts: bool) -> None:
        for lease in self.held[worker]:
            key = lease.run_id, lease.seq, lease.fence
            with self.step() as connection:
                state = rescued.take_over(connection, *key, died=True, counts=counts)
                self.ends[lease.run_id, lease.seq] += state == "failed"
        self.held[worker].clear()

    @rule(data=st.data())
    def an_operator_stops_a_run(self, data: st.DataObject) -> None:
        found = self.sql.execute("select id from run where finished_at is null order by id").fetchall()
        if found:
            (run_id,) = data.draw(st.sampled_from(found))
            with self.step() as connection:
                stopped.request_stop(connection, run_id, "asked", renewed.clock(connection))
            with self.step() as connection:
                stopped.stop_requested(connection, 100)

    @invariant()
    def no_batch_ends_twice_and_open_batches_are_counted(self) -> None:
        assert all(number == 1 for number in self.ends.values() if number)
        wrong = self.sql.execute(
            "select r.id, r.state, r.open_batches from run r where r.open_batches <>"
            " (select count(*) from batch b where b.run_id = r.id and b.finished_at is null)"
            " or (r.open_batches = 0) <> (r.finished_at is not null)"
        ).fetchall()
        assert wrong == []

    @invariant()
    def a_batch_is_held_by_one_worker_at_most(self) -> None:
        valid = Counter(
            (lease.run_id, lease.seq, lease.fence) for leases in self.held.values() for lease in leases
        )
        assert all(number == 1 for number in valid.values())

    @invariant()
    def what_is_set_aside_died_twice_alone(self) -> None:
        aside = self.sql.execute("select deaths from batch where error like 'set aside%'").fetchall()
        assert all(deaths == rescued.MAX_DEATHS for (deaths,) in aside)


@pytest.mark.timeout(300)
def test_in_any_order_of_steps_nothing_is_done_twice_and_nothing_is_lost(
    kinds: Any, connection: Any, database: Any
) -> None:
    Ledger.url = database.admin_url
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Ledger,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
