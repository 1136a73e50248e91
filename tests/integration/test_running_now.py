"""`running_now`: how far a run is, what failed, how long it takes still, what it waits for."""

from __future__ import annotations

import re
from typing import Any


def test_it_tells_items_failures_time_left_and_seconds_to_wait(half_done: Any, connection: Any) -> None:
    run_id = half_done(done=4, failed=1, total=10, ago="50 s", wait="40 s")

    now = connection.execute("select * from running_now where id = %s", (run_id,)).fetchone()

    assert (now["items"], now["done"], now["failed"]) == ("5/10", 4, 1)
    assert now["progress"] == "█" * 10 + "░" * 10
    # Five items in 50 seconds: five more take as long.
    assert re.fullmatch(r"about 5\d seconds", now["time_left"]), now["time_left"]
    assert re.fullmatch(r"slow, in (39|40)s", now["waiting_for"]), now["waiting_for"]


def test_what_waits_for_nothing_says_nothing_of_waiting(half_done: Any, connection: Any) -> None:
    run_id = half_done(done=0, failed=0, total=3, wait=None)

    now = connection.execute("select * from running_now where id = %s", (run_id,)).fetchone()

    assert (now["items"], now["time_left"], now["waiting_for"]) == ("0/3", None, None)
