"""An upstream whose answer has no end, for one slot and for 64."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.support.bad_servers import never_end
from tests.support.bench_environment import resident_mib
from tests.support.threads import at_once


@pytest.mark.parametrize("threads", [1, 64])
def test_an_answer_without_end_fails_its_item_and_fills_no_memory(
    odd_server: Any, new_run: Any, work: Any, row: Any, connection: Any, threads: int
) -> None:
    connection.execute(
        "insert into upstream (name, base_url, concurrency) values ('generic', %s, 200)",
        (f"http://127.0.0.1:{odd_server(never_end)}",),
    )
    runs = [new_run("tests.calling", items=1, timeout=30.0) for _ in range(threads)]
    before = resident_mib(os.getpid())

    began = time.monotonic()
    at_once(threads, lambda n: work(runs[n], task="tests.calling"))

    assert time.monotonic() - began < 60
    for ended in map(row, runs):
        assert (ended["state"], ended["failed"]) == ("failed", 1)
        assert "longer than 5000000 bytes" in ended["error"]
    # Each keeps at most what it may read, and the growing of it, until its item has failed.
    assert resident_mib(os.getpid()) - before < 100 + 15 * threads
