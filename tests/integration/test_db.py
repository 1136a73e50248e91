"""The one engine of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from workers import db


def test_threads_that_begin_at_once_share_one_engine(database: object) -> None:
    db.reset()
    together = threading.Barrier(8)

    def first(_: int) -> int:
        together.wait(10)
        return id(db.engine())

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(first, range(8)))

    assert len(seen) == 1


@pytest.mark.parametrize("connection", [db.driver_connect, db.driver_transaction])
def test_a_connection_in_use_while_the_engine_is_reset_is_closed_when_it_is_given_back(
    database: object, connection: Callable[[], AbstractContextManager[db.Driver]]
) -> None:
    with connection() as used:
        db.reset()
        assert not used.closed

    assert used.closed
