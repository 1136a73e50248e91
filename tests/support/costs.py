"""What a piece of work costs Postgres, counted where this process speaks to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest


@dataclass
class Costs:
    """Statements, answers waited for, and commits (of transactions; a statement in autocommit is one)."""

    statements: int = 0
    round_trips: int = 0
    commits: int = 0
    #: How often each statement was made, by thread: shown when the counts are not what they should be.
    made: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def numbers(self) -> tuple[int, int, int]:
        return self.statements, self.round_trips, self.commits

    def __sub__(self, other: Costs) -> Costs:
        pairs = zip(self.numbers(), other.numbers(), strict=True)
        less = self.made.copy()
        less.subtract(other.made)
        return Costs(*(one - two for one, two in pairs), made=less)

    def each(self, number: int) -> Costs:
        """A share of the costs, which must come out even."""
        uneven = {made: many for made, many in self.made.items() if many % number}
        assert all(one % number == 0 for one in self.numbers()), (self, uneven)
        return Costs(*(one // number for one in self.numbers()))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """Count what is asked for inside, on all connections of this process but those of tests."""
    costs = Costs()
    wait, execute = psycopg.Connection.wait, psycopg.Cursor.execute

    def is_ours(connection: Any) -> bool:
        return bool(connection.info.get_parameters().get("application_name") == "watchkeeper")

    def waited(self: Any, steps: Any, *how: Any, **more: Any) -> Any:
        return wait(self, noticed(steps) if is_ours(self) else steps, *how, **more)

    def noticed(steps: Any) -> Any:
        """The same steps; one that has to wait is an answer waited for."""
        waits = 0
        try:
            step = next(steps)
            while True:
                waits = 1
                step = steps.send((yield step))
        except StopIteration as end:
            return end.value
        finally:
            costs.round_trips += waits

    def executed(self: Any, *how: Any, **more: Any) -> Any:
        if is_ours(self.connection):
            costs.statements += 1
            costs.made[f"{threading.current_thread().name}: {' '.join(str(how[0]).split())[:200]}"] += 1
            costs.commits += self.connection.autocommit
        return execute(self, *how, **more)

    def committed(self: Any) -> None:
        costs.commits += is_ours(self)
        commit(self)

    commit = psycopg.Connection.commit
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "wait", waited)
        patched.setattr(psycopg.Connection, "commit", committed)
        patched.setattr(psycopg.Cursor, "execute", executed)
        yield costs
