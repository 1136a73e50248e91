"""An upstream takes the call and never answers, or answers a byte at a time; one slot and 64 wait for it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.bad_servers import drop_by_drop, say_nothing
from tests.support.threads import at_once


@pytest.mark.parametrize("treat", [say_nothing, drop_by_drop], ids=lambda treat: treat.__name__)
def test_an_item_whose_upstream_never_answers_fails_alone_and_in_time(
    odd_server: Any, new_run: Any, work: Any, row: Any, connection: Any, treat: Any
) -> None:
    connection.execute(
        "insert into upstream (name, base_url) values ('generic', %s)",
        (f"http://127.0.0.1:{odd_server(treat)}",),
    )
    run_id = new_run("tests.calling", items=2, timeout=3.0)

    began = time.monotonic()
    work(run_id, task="tests.calling")

    assert time.monotonic() - began < 15
    ended = row(run_id)
    assert (ended["state"], ended["failed"], ended["total"]) == ("failed", 2, 2)
    assert "the response was not complete in time" in ended["error"]
    # The upstream may count what it has not answered: those permits stay stamped to the end of their leases.
    permits = connection.execute("select path, settled from permit").fetchall()
    assert {permit["settled"] for permit in permits} == {False}
    # Each item is asked for again within its time, as far as four calls at once allow it.
    assert {permit["path"] for permit in permits} == {"/i0", "/i1"}
    assert 4 <= len(permits) <= 6


@pytest.mark.parametrize("treat", [say_nothing, drop_by_drop], ids=lambda treat: treat.__name__)
def test_64_threads_whose_upstreams_never_answer_end_in_time_and_leave_another_alone(
    odd_server: Any, imitation: Any, new_run: Any, work: Any, row: Any, connection: Any, treat: Any
) -> None:
    # One call at a time would wait for the answer of the one before: here none is repeated.
    connection.execute(
        "insert into upstream (name, base_url, concurrency) values ('generic', %s, 100)",
        (f"http://127.0.0.1:{odd_server(treat)}",),
    )
    good = imitation("generic")
    connection.execute(
        "insert into upstream (name, base_url, concurrency) values ('good', %s, 100)", (good.url,)
    )
    runs = [
        new_run("tests.calling", items=1, timeout=4.0, upstream="good" if n % 2 else "generic")
        for n in range(64)
    ]

    began = time.monotonic()
    at_once(64, lambda n: work(runs[n], task="tests.calling"))

    assert time.monotonic() - began < 15
    assert {row(run)["state"] for run in runs[1::2]} == {"succeeded"}
    hung = [row(run) for run in runs[0::2]]
    assert {(run["state"], run["failed"]) for run in hung} == {("failed", 1)}
    assert len(good.get("/_log")) == 32
