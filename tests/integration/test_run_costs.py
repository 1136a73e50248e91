"""What a run costs: its statements and transactions are counted exactly, as its session makes them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from workers.db import driver_connect, driver_transaction
from workers.execution import looking
from workers.execution.session_loop import Session
from workers.ledger import claimed, ended, finished, runs, taken

NAMES = {
    taken.CANDIDATES: "read candidates",
    taken.TAKE: "take",
    ended.END_WHOLE: "end",
    runs.LOCK_BRIEFLY: "lock the run",
    claimed.CHECK_FENCE: "check the fence",
    claimed.WRITE_ITEMS: "write the items",
    ended.END: "end the batch",
    finished.CLOSE_BATCHES: "count it",
    finished.TALLY: "add up",
    finished.FINISH: "end the run",
}


@pytest.fixture
def costs(
    kinds: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[list[str], Counter[str]]]:
    """``costs()``: a session works what is ready; returns its statements and its transactions."""

    # The mark of this process may come from another test's database, and then it looks twice.
    monkeypatch.setattr(looking, "_mark", taken.LowMark())

    def run() -> tuple[list[str], Counter[str]]:
        with driver_connect() as one, driver_transaction() as two:
            # Both of the connections that the session needs are there.
            assert one is not two
        connection.execute("update batch set state = 'sent', send_at = clock_timestamp()")
        made: list[str] = []
        ends: Counter[str] = Counter()
        execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit
        test = threading.current_thread()

        def counted(self: Any, query: Any, *how: Any, **named: Any) -> Any:
            if self.connection is not connection:
                made.append(NAMES.get(str(query), str(query).partition(" (")[0]))
                ends["alone"] += self.connection.autocommit
            return execute(self, query, *how, **named)

        def committed(self: Any) -> None:
            ends["together"] += 1
            commit(self)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counted)
            patch.setattr(psycopg.Connection, "commit", committed)
            Session(kinds.app, "tester@host", ["upkeep"]).run()
        assert threading.current_thread() is test
        return made, ends

    return run


def test_a_run_that_writes_no_rows_is_three_statements_of_their_own(
    costs: Any, new_run: Any, row: Any
) -> None:
    run_id = new_run("tests.noop_kind")

    assert costs() == (["read candidates", "take", "end"], {"alone": 3})
    assert row(run_id)["state"] == "succeeded"


def test_runs_together_are_read_once_and_taken_by_half_of_the_slots_at_a_time(
    costs: Any, new_run: Any, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is.
    monkeypatch.setattr(looking, "FRESH", 60.0)
    ids = [new_run("tests.noop_kind") for _ in range(15)]

    made, ends = costs()

    assert Counter(made)["read candidates"] == 1
    assert Counter(made)["take"] == 2
    assert Counter(made)["end"] <= 15
    assert ends["together"] == 0
    assert {row(one)["state"] for one in ids} == {"succeeded"}


def test_an_outcome_with_a_row_and_the_end_of_its_run_are_one_transaction(
    costs: Any, new_run: Any, row: Any
) -> None:
    run_id = new_run("tests.counting", items=1)

    made, ends = costs()

    assert made == [
        "read candidates", "take", "lock the run", "check the fence", "insert into effect",
        "write the items", "end the batch", "count it", "add up", "end the run",
    ]  # fmt: skip
    assert ends == {"alone": 2, "together": 1}
    assert row(run_id)["state"] == "succeeded"


def test_a_run_that_writes_no_rows_writes_little_wal(costs: Any, new_run: Any, connection: Any) -> None:
    size = "select pg_current_wal_insert_lsn() - '0/0' as bytes"
    written = []
    for _ in range(4):
        for _ in range(15):
            new_run("tests.noop_kind")
        connection.execute("update batch set state = 'sent' where state = 'waiting'")
        before = connection.execute(size).fetchone()["bytes"]
        costs()
        written.append(connection.execute(size).fetchone()["bytes"] - before)

    # The first time pages are written as a whole.  The server itself may write (autovacuum), but not each time.
    assert min(written[1:]) / 15 < 4_000
