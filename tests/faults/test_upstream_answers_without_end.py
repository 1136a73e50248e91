"""An upstream whose answer has no end."""

from __future__ import annotations

import time
from typing import Any

from tests.support.bad_servers import never_end


def test_an_answer_without_end_fails_its_item_and_fills_no_memory(
    odd_server: Any, new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    connection.execute(
        "insert into upstream (name, base_url) values ('generic', %s)",
        (f"http://127.0.0.1:{odd_server(never_end)}",),
    )
    run_id = new_run("tests.calling", items=1, timeout=20.0)

    began = time.monotonic()
    work(run_id, task="tests.calling")

    assert time.monotonic() - began < 15
    ended = row(run_id)
    assert (ended["state"], ended["failed"]) == ("failed", 1)
    assert "longer than 5000000 bytes" in ended["error"]
