"""A worker's autoscaler cannot be sure of its work: Redis is out of reach."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_pool_that_lost_redis_ends_no_running_batch_and_grows_again_when_it_is_back(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any, proxy: Any,
    valkey_server: Any, effects: Any,
) -> None:  # fmt: skip
    between = proxy(valkey_server.port)
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "--autoscale=4,1", "-O", "fair", app=KINDS,
        # With a slot a process, so that the pool has to grow.
        **{**QUICK, "WATCHKEEPER_SLOTS": "1", "WATCHKEEPER_BROKER_URL": f"redis://127.0.0.1:{between.port}/0"},
    )  # fmt: skip
    eventually(lambda: connection.execute("select 1 as one from scaling_status").fetchone(), within=60)
    slow = [new_run("tests.counting", items=1, seconds=25) for _ in range(3)]
    running = "select count(*) as n from batch where state = 'running'"
    eventually(lambda: connection.execute(running).fetchone()["n"] == 3, within=30)

    between.cut()
    eventually(lambda: "Connection to broker lost" in worker.log.read_text(), within=30)
    eventually(lambda: all(row(run_id)["state"] == "succeeded" for run_id in slow), within=60)
    assert connection.execute("select sum(deaths) as n from batch").fetchone()["n"] == 0

    between.mend()
    for _ in range(8):
        new_run("tests.counting", items=1, seconds=4)
    eventually(
        lambda: connection.execute(
            "select 1 as one from scaling_status where measure = 'ledger' and processes = 4"
        ).fetchone(),
        within=60,
    )
