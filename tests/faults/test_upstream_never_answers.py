"""An upstream takes the call and never answers, or answers a byte at a time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.bad_servers import drop_by_drop, say_nothing


@pytest.mark.parametrize("treat", [say_nothing, drop_by_drop], ids=lambda treat: treat.__name__)
def test_an_item_whose_upstream_never_answers_fails_alone_and_in_time(
    odd_server: Any, new_run: Any, work: Any, row: Any, connection: Any, treat: Any
) -> None:
    connection.execute(
        "insert into upstream (name, base_url) values ('generic', %s)",
        (f"http://127.0.0.1:{odd_server(treat)}",),
    )
    run_id = new_run("tests.calling", items=2, timeout=1.0)

    began = time.monotonic()
    work(run_id, task="tests.calling")

    assert time.monotonic() - began < 5
    ended = row(run_id)
    assert (ended["state"], ended["failed"], ended["total"]) == ("failed", 2, 2)
    assert "no whole answer in time" in ended["error"]
    # The upstream may count what it has not answered: those permits stay stamped to the end of their leases.
    permits = connection.execute("select path, settled from permit").fetchall()
    assert {permit["settled"] for permit in permits} == {False}
    # Each item is asked for again within its time, as far as four calls at once allow it.
    assert {permit["path"] for permit in permits} == {"/i0", "/i1"}
    assert 4 <= len(permits) <= 6
