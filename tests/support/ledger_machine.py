"""Two workers step by step over ledger, bundler and permits: what is promised holds in any order.

Each step is one transaction of the ledger, or the part of one after which the other parties may come in
between.  Nobody waits for a lock: who finds one taken goes on with something else.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from workers.errors import LeaseLost
from workers.ledger import claimed, ended, handed_back, renewed, rescued, runs, taken
from workers.ledger.claimed import BatchLease
from workers.ledger.ended import Done
from workers.ledger.finished import Ended, Ending
from workers.upstreams import permits
from workers.upstreams.bundles import Bundles, _Asked
from workers.upstreams.permits import Answered, Question

LEASE = timedelta(seconds=30)
WORKERS = st.sampled_from(["one", "two"])
#: One of those that are there, by the remainder: what is there depends on the machine's clock and locks,
#: and hypothesis wants every choice to be from as many.
PICK = st.integers(0, 11)
KIND = "tests.counting"
ITEMS = [{"key": "a", "state": "done", "counts": {"counted": 1}}]
#: What the machine's upstream allows: calls in flight, and a minute, which is longer than an example.
AT_ONCE, A_MINUTE = 3, 8
#: Every state that a row was left in and found in, as the database saw them.
SEEN = """
create table seen (what text, before text, after text, primary key (what, before, after));
create function see() returns trigger language plpgsql as $$
begin
    insert into seen values (tg_table_name, old.state, new.state) on conflict do nothing;
    return null;
end $$;
create trigger see after update on run for each row when (old.state <> new.state) execute function see();
create trigger see after update on batch for each row when (old.state <> new.state) execute function see();
"""


class Workers(RuleBasedStateMachine):
    """Two workers, and who takes their batches back."""

    url: ClassVar[str]
    number: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.sql = psycopg.connect(self.url, autocommit=True)
        self.sql.execute("set lock_timeout = '30ms'")
        self.sql.execute("truncate run, effect, permit cascade")
        #: Leases that each worker believes to have, also those that are lost.
        self.held: dict[str, list[BatchLease]] = {"one": [], "two": []}
        #: An outcome whose transaction is open, by worker.
        self.open: dict[str, tuple[psycopg.Connection[Any], BatchLease]] = {}
        self.ends: Counter[tuple[uuid.UUID, int]] = Counter()
        Workers.number += 1
        self.upstream = f"machine_{Workers.number}"
        self.sql.execute(
            "insert into upstream (name, base_url, concurrency) values (%s, 'http://127.0.0.1:1', %s)",
            (self.upstream, AT_ONCE),
        )
        self.sql.execute(
            "insert into quota (upstream, per, calls) values (%s, '1 minute', %s)",
            (self.upstream, A_MINUTE),
        )
        #: Permits of calls in flight, by worker; how many were granted at all.
        self.calls: dict[str, list[int]] = {"one": [], "two": []}
        self.granted = 0

    def teardown(self) -> None:
        for connection, _ in self.open.values():
            connection.close()
        self.sql.close()

    @contextmanager
    def step(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction of somebody who waits for nobody."""
        with suppress(psycopg.errors.LockNotAvailable), self.sql.transaction():
            yield self.sql

    def is_valid(self, lease: BatchLease) -> bool:
        return (lease.run_id, lease.seq, lease.fence) in set(renewed.running(self.sql))

    @contextmanager
    def fenced(self, lease: BatchLease) -> Iterator[psycopg.Connection[Any]]:
        """The same of a worker with this lease: it goes through if the lease is valid, and only then."""
        valid = self.is_valid(lease)
        try:
            with self.sql.transaction():
                yield self.sql
                assert valid
        except LeaseLost:
            assert not valid
        except psycopg.errors.LockNotAvailable:
            pass

    def effect(self, connection: psycopg.Connection[Any], lease: BatchLease) -> None:
        """A row of a watch."""
        key = lease.run_id, str(lease.seq)
        connection.execute("insert into effect (run_id, item) values (%s, %s)", key)

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

    @rule(worker=WORKERS, number=st.integers(1, 4), bad=st.booleans())
    def a_worker_ends_a_bundle(self, worker: str, number: int, bad: bool) -> None:
        """With one that Postgres refuses the bundle is repeated one by one: only that one fails."""
        mine = [one for one in self.held[worker] if one.run["batch_count"] == 1][:number]
        valid = [self.is_valid(one) for one in mine]
        ends = [Done(one, ITEMS, False, None) for one in mine]
        if bad and ends:
            ends[0] = Done(mine[0], [{"key": "\0", "state": "done"}], False, None)
        asked: list[_Asked[Done, Ended | None]] = [_Asked(one) for one in ends]
        Bundles(lambda given: ended.end_whole(self.sql, given))._answer(asked)
        for nth, one in enumerate(asked):
            if bad and nth == 0:
                assert isinstance(one.error, psycopg.DataError)
            elif one.error is not None:
                assert isinstance(one.error, psycopg.errors.LockNotAvailable)
            else:
                self.held[worker].remove(mine[nth])
                assert [answer is not None for answer in one.answers] == [valid[nth]]
                self.ends[mine[nth].run_id, mine[nth].seq] += valid[nth]

    @rule(worker=WORKERS, state=st.sampled_from(["done", "failed"]))
    def a_worker_ends_one(self, worker: str, state: str) -> None:
        if self.held[worker]:
            lease = self.held[worker].pop()
            with self.fenced(lease) as connection:
                ended.end(connection, lease, state, Ending("it broke" if state == "failed" else None))
                if state == "done":
                    self.effect(connection, lease)
                self.ends[lease.run_id, lease.seq] += 1

    @rule(worker=WORKERS)
    def a_worker_tries_one_again(self, worker: str) -> None:
        if self.held[worker]:
            lease = self.held[worker].pop()
            with self.fenced(lease) as connection:
                handed_back.retry_or_fail(connection, lease, Ending("it broke"))
                last = lease.attempt + 1 >= lease.run["max_attempts"]
                self.ends[lease.run_id, lease.seq] += last

    @rule()
    def back_offs_are_over(self) -> None:
        self.sql.execute(
            "update batch set not_before = null, send_at = clock_timestamp()"
            " where state in ('waiting', 'sent') and not_before > clock_timestamp()"
        )

    @rule(worker=WORKERS)
    def a_worker_defers_its_run(self, worker: str) -> None:
        if self.held[worker]:
            lease = self.held[worker].pop()
            with self.fenced(lease) as connection:
                ended.defer(connection, lease, Ending("the quota is spent"))
                self.ends[lease.run_id, lease.seq] += 1

    @rule(worker=WORKERS, number=st.integers(1, 5))
    def a_worker_asks_for_permits(self, worker: str, number: int) -> None:
        flying = sum(map(len, self.calls.values()))
        free = min(AT_ONCE - flying, A_MINUTE - self.granted)
        found = permits.take_many(self.sql, self.upstream, [Question(LEASE)] * number)
        given = [one.id for one in found if one.id is not None]
        assert len(given) == min(number, free)
        self.granted += len(given)
        self.calls[worker] += given

    @rule(worker=WORKERS, number=st.integers(1, 3))
    def a_worker_settles_calls(self, worker: str, number: int) -> None:
        over, self.calls[worker] = self.calls[worker][:number], self.calls[worker][number:]
        permits.settle(self.sql, [Answered(one, time.monotonic(), 200) for one in over])

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

    @rule(pick=PICK, dies=st.booleans())
    def a_worker_commits_its_last_outcome_or_dies(self, pick: int, dies: bool) -> None:
        if not self.open:
            return
        worker = sorted(self.open)[pick % len(self.open)]
        connection, lease = self.open.pop(worker)
        if not dies:
            claimed.write_items(connection, lease, ITEMS)
            self.effect(connection, lease)
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

    @invariant()
    def no_batch_ends_twice_and_open_batches_are_counted(self) -> None:
        assert all(number == 1 for number in self.ends.values() if number)
        wrong = self.sql.execute(
            "select r.id, r.state, r.open_batches from run r where r.open_batches <>"
            " (select count(*) from batch b where b.run_id = r.id and b.finished_at is null)"
            " + (r.state = 'held')::int"
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

    @invariant()
    def each_item_is_done_once_by_whoever_ended_its_batch(self) -> None:
        wrong = self.sql.execute(
            "select e.run_id, e.item from effect e join batch b on b.run_id = e.run_id and b.seq::text = e.item"
            " group by 1, 2, b.state having count(*) > 1 or b.state <> 'done'"
        ).fetchall()
        assert wrong == []

    @invariant()
    def permits_are_never_over_their_limits(self) -> None:
        found = self.sql.execute(
            "select count(*), count(*) filter (where not settled and stamp > clock_timestamp())"
            "  from permit where upstream = %s", (self.upstream,)
        ).fetchone()  # fmt: skip
        assert found is not None
        assert found[0] == self.granted <= A_MINUTE
        assert found[1] == sum(map(len, self.calls.values())) <= AT_ONCE

    @invariant()
    def what_is_open_waits_for_somebody(self) -> None:
        """Announced, to be announced, or in a worker's hands with a lease: nothing is forgotten."""
        lost = self.sql.execute(
            "select run_id, seq, state from batch where state in ('waiting', 'sent') and send_at is null"
            " or state = 'running' and lease_until is null"
        ).fetchall()
        assert lost == []
