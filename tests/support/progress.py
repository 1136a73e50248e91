"""A run in the middle of its work, as rows: some items done, some failed, the rest waits for a quota."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def half_done(connection: Any) -> Callable[..., uuid.UUID]:
    """``half_done(done=4, failed=1, total=10)``: began ``ago``, the rest waits ``wait`` for "slow"."""
    connection.execute("insert into upstream (name, base_url) values ('slow', 'http://127.0.0.1:1')")

    def make(
        *, done: int, failed: int, total: int, ago: str = "50 s", wait: str | None = "90 s"
    ) -> uuid.UUID:
        run_id = uuid.uuid4()
        states = ["done"] * done + ["failed"] * failed + ["waiting"] * (total - done - failed)
        items = [{"key": f"i{number}", "state": state} for number, state in enumerate(states)]
        connection.execute(
            "insert into run (id, schedule, task, trigger, due_at, state, queue, batch_count,"
            " open_batches, total, started_at)"
            " values (%s, 'far', 'tests.noop', 'manual', now(), 'running', 'upkeep', 1, 1, %s,"
            " clock_timestamp() - %s::interval)",
            (run_id, total, ago),
        )
        connection.execute(
            "insert into batch (run_id, seq, task, queue, state, items, total, done, failed, waiting_for)"
            " values (%s, 1, 'tests.noop', 'upkeep', 'waiting', %s, %s, %s, %s, %s)",
            (run_id, json.dumps(items), total, done, failed, "slow" if wait else None),
        )
        if wait:
            connection.execute(
                "update upstream_state set next_permit_at = clock_timestamp() + %s::interval"
                " where upstream = 'slow'",
                (wait,),
            )
        return run_id

    return make
