"""Two workers, two beats and an operator, statement by statement: every promise in any order of steps.

Each step is one transaction of the ledger or one step of beat's tick, or the part of one after which the
others may come in between.  Beat's clock is ahead of the database's, as far as the machine likes.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from beat.tick import claim, conclude, readiness, reading, release, replan, request_handlers
from beat.tick.context import TickContext
from tests.support.ledger_machine import KIND, LEASE, PICK, SEEN, Workers
from workers.ledger import renewed, rescued, sent, states, stopped
from workers.ledger.states import TRANSITIONS

BEATS = st.sampled_from(["one", "two"])
MINUTE = timedelta(minutes=1)
#: Each with its overlap; `steady` is never edited in a way that moves its due times.
SCHEDULES = {
    "steady": "skip",
    "buffered": "buffer_one",
    "replacing": "cancel_other",
    "free": "allow_all",
}
STEPS = {
    "replan": replan.replan,
    "answer": request_handlers.answer_requests,
    "conclude": conclude.conclude,
    "release": release.release,
    "stop": conclude.stop,
}
WORDS = {"priority": 7, "pause_after_failures": 2, "max_attempts": 1}


class House(Workers):
    def __init__(self) -> None:
        super().__init__()
        self.sql.execute("delete from schedule")
        self.sql.execute("truncate schedule_edit, run_request")
        self.now = renewed.clock(self.sql)
        for name, overlap in SCHEDULES.items():
            self.sql.execute(
                "insert into schedule (name, task, every, overlap, timeout, starts_at)"
                " values (%s, %s, %s, %s, '1 hour', %s)",
                (name, KIND, MINUTE, overlap, self.now),
            )  # fmt: skip
        self.beats = {name: self._beat() for name in ("one", "two")}
        #: Beats that have claimed and not committed.
        self.claiming: set[str] = set()
        #: Their due times may move; those of the others follow the grid from their beginning.
        self.edited: set[str] = set()
        while self.take_step("one", "replan"):
            pass

    def _beat(self) -> TickContext:
        connection = reading.connect()
        connection.execute("set lock_timeout = '30ms'")
        return TickContext(connection, readiness.ask(connection, self.now), limit=3)

    def teardown(self) -> None:
        try:
            self._everything_ends()
        finally:
            for context in self.beats.values():
                context.connection.close()
            super().teardown()

    def tick(self, beat: str) -> TickContext:
        context = self.beats[beat]
        context.begin(readiness.ask(context.connection, self.now))
        context.messages.clear()
        return context

    def take_step(self, beat: str, step: str) -> bool:
        try:
            return STEPS[step](self.tick(beat))
        except psycopg.errors.LockNotAvailable:
            return False

    @rule(minutes=st.integers(0, 3), beat=BEATS)
    def beat_claims_what_is_due(self, beat: str, minutes: int) -> None:
        self.now += minutes * MINUTE
        if beat not in self.claiming:
            claim.claim_due(self.tick(beat))

    @rule(beat=BEATS)
    def beat_begins_to_claim(self, beat: str) -> None:
        if beat in self.claiming:
            return
        context = self.tick(beat)
        context.connection.execute("begin")
        rows, wrong = reading.lock_due(context.connection, context.now, context.limit)
        claim.claim_or_plan(context, rows, wrong)
        self.claiming.add(beat)

    @rule(pick=PICK, dies=st.booleans())
    def beat_commits_its_claim_or_dies(self, pick: int, dies: bool) -> None:
        if not self.claiming:
            return
        beat = sorted(self.claiming)[pick % len(self.claiming)]
        self.claiming.remove(beat)
        if dies:
            self.beats[beat].connection.close()
            self.beats[beat] = self._beat()
        else:
            self.beats[beat].connection.execute("commit")

    @rule(beat=BEATS, step=st.sampled_from(sorted(STEPS)))
    def beat_takes_a_step(self, beat: str, step: str) -> None:
        if beat not in self.claiming:
            self.take_step(beat, step)

    @rule(limit=st.integers(1, 4))
    def beat_announces(self, limit: int) -> None:
        with self.step() as connection:
            sent.announce(connection, self.now + LEASE, limit)

    @rule()
    def beat_loses_what_it_announced(self) -> None:
        """The broker was away: whoever reaches it first announces them again."""
        with self.step() as connection:
            sent.take_back(connection, sent.announce(connection, self.now + LEASE, 2))

    @rule(hours=st.integers(0, 2))
    def beat_ends_what_is_overdue(self, hours: int) -> None:
        stopped.end_overdue(self.sql, renewed.clock(self.sql) + timedelta(hours=hours), 100)

    @rule(name=st.sampled_from(sorted(SCHEDULES)), word=st.sampled_from(sorted(WORDS)))
    def an_operator_edits_what_moves_no_due_time(self, name: str, word: str) -> None:
        self.sql.execute(f"update schedule set {word} = %s where name = %s", (WORDS[word], name))
        if word == "pause_after_failures":
            self.edited.add(name)

    @rule(name=st.sampled_from(["buffered", "replacing", "free"]), minutes=st.integers(1, 4))
    def an_operator_edits_the_interval(self, name: str, minutes: int) -> None:
        self.edited.add(name)
        self.sql.execute("update schedule set every = %s where name = %s", (minutes * MINUTE, name))

    @rule(name=st.sampled_from(["buffered", "replacing", "free"]), on=st.booleans())
    def an_operator_pauses_or_resumes(self, name: str, on: bool) -> None:
        self.edited.add(name)
        self.sql.execute("update schedule set enabled = %s where name = %s", (on, name))

    @rule(name=st.sampled_from(sorted(SCHEDULES)))
    def an_operator_runs_one_now(self, name: str) -> None:
        self.sql.execute("select run_now(%s)", (name,))

    @rule(pick=PICK, action=st.sampled_from(["stop", "retry"]))
    def an_operator_stops_or_retries(self, pick: int, action: str) -> None:
        which = (
            "finished_at is null" if action == "stop" else "state in ('failed', 'stopped', 'partial')"
        )
        found = self.sql.execute(
            f"select id from run where schedule is not null and {which} order by created_at, due_at, schedule"
        ).fetchall()
        if found:
            (run_id,) = found[pick % len(found)]
            self.sql.execute(
                "insert into run_request (action, run_id) values (%s, %s)", (action, run_id)
            )

    def _everything_ends(self) -> None:
        """All workers have died, people want no more: what was begun comes to its end."""
        for worker, (connection, _) in self.open.items():
            connection.close()
            self.held[worker].clear()
        self.open.clear()
        for beat in sorted(self.claiming):
            self.beats[beat].connection.execute("rollback")
        self.sql.execute("update schedule set enabled = false")
        # Longer than what the ledger puts off by its own clock, which no step here moves.
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for step in STEPS:
                self.take_step("one", step)
            with self.step() as connection:
                rescued.rescue(connection, renewed.clock(connection) + 2 * LEASE, 100)
            self.back_offs_are_over()
            self.beat_announces(100)
            self.a_worker_takes("one", 100, alone=True)
            while self.held["one"]:
                self.a_worker_ends_one("one", "done")
            if not self._left():
                return
        raise AssertionError(f"never ended: {self._left()}")

    def _left(self) -> list[Any]:
        return self.sql.execute(
            "select 'run ' || state, id::text from run where finished_at is null or not counted union all"
            " select 'batch ' || state, to_jsonb(batch)::text from batch where finished_at is null union all"
            " select 'request ' || action, id::text from run_request where answered_at is null"
        ).fetchall()

    @invariant()
    def no_two_exclusive_runs_of_a_schedule_are_active(self) -> None:
        found = self.sql.execute(
            "select schedule from run where exclusive and schedule is not null"
            " and state in ('due', 'running') group by 1 having count(*) > 1"
        ).fetchall()
        assert found == []

    @invariant()
    def every_due_time_has_one_row(self) -> None:
        """No due time twice; and none left out of a schedule whose due times nobody moved."""
        last: dict[str, Any] = {}
        for name, begin, end, count in self.sql.execute(
            "select schedule, coalesce(covers_from, due_at), due_at, covers_count from run"
            " where trigger = 'schedule' order by schedule, due_at"
        ):
            if name in last:
                assert begin > last[name]
            if name not in self.edited:
                assert begin - last.get(name, self.began(name)) == MINUTE, name
                assert end - begin == (count - 1) * MINUTE
            last[name] = end

    def began(self, name: str) -> Any:
        row = self.sql.execute("select starts_at from schedule where name = %s", (name,)).fetchone()
        assert row is not None
        return row[0] - MINUTE

    @invariant()
    def states_move_as_the_ledgers_table_says(self) -> None:
        for what, before, after in self.sql.execute("select * from seen"):
            assert (before, after) in MOVES[what], f"{what}: {before} -> {after}"


def _moves(table: str, every: tuple[str, ...]) -> set[tuple[str, str]]:
    """What the table of transitions allows; one that names no state finds a row that has not ended."""
    return {
        (before, after)
        for one in TRANSITIONS
        if one.table == table
        for before in one.before or every
        for after in one.after
    }


MOVES = {
    "run": _moves("run", states.RUN_UNFINISHED),
    "batch": _moves("batch", states.BATCH_OPEN),
}


@pytest.mark.timeout(300)
def test_in_any_order_of_steps_nothing_is_done_twice_and_nothing_is_lost(
    kinds: Any, connection: Any, database: Any
) -> None:
    connection.execute(SEEN)
    connection.execute("grant select, insert on seen to service")
    House.url = database.admin_url
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        House,
        settings=settings(
            max_examples=40, stateful_step_count=50, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    # The steps were not idle.
    seen = {tuple(row.values()) for row in connection.execute("select * from seen").fetchall()}
    assert seen >= {
        ("run", "due", "running"), ("run", "running", "succeeded"), ("batch", "waiting", "sent"),
        ("batch", "sent", "running"), ("batch", "running", "done"), ("batch", "running", "waiting"),
    }  # fmt: skip
