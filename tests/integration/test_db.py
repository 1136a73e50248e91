"""The one engine of a process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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
