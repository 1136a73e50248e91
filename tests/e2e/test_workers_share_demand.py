"""Three workers of one queue share what is ready, and say how they decided."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.runs import KINDS


# What is shared is what began while others began.
@pytest.mark.units(2)
def test_three_workers_share_twelve_ready_batches_evenly_and_log_how_they_grew(
    celery_process: Any, new_run: Any, connection: Any, eventually: Any
) -> None:
    workers = [
        celery_process(
            "worker", "-Q", "upkeep", "--autoscale=12,1", "--slots", "1", "-O", "fair", app=KINDS
        )
        for _ in range(3)
    ]
    signs = "select count(*) as n from heartbeat where role = 'worker'"
    eventually(lambda: connection.execute(signs).fetchone()["n"] == 3, within=60)
    for _ in range(12):
        new_run("tests.counting", items=1, seconds=12)
    celery_process("beat")

    began = "select worker, count(*) as n from batch where started_at is not null group by worker"
    shares = eventually(
        lambda: [
            found
            for found in [{r["worker"]: r["n"] for r in connection.execute(began)}]
            if sum(found.values()) == 12
        ],
        within=40,
    )[0]

    assert len(shares) == 3
    assert all(abs(number - 4) <= 1 for number in shares.values()), shares
    for worker in workers:
        said = worker.log.read_text()
        assert "pool.scaled" in said
        assert "measure=ledger" in said
