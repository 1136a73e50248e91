"""The network between a worker and Redis breaks."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_worker_cut_off_from_redis_comes_back(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, proxy: Any, valkey_server: Any
) -> None:
    between = proxy(valkey_server.port)
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app=KINDS,
        **{**QUICK, "WATCHKEEPER_BROKER_URL": f"redis://127.0.0.1:{between.port}/0"},
    )  # fmt: skip
    first = new_run("tests.counting", items=1)
    eventually(lambda: row(first)["finished_at"], within=60)

    between.cut()
    second = new_run("tests.counting", items=1)
    eventually(lambda: "Connection to broker lost" in worker.log.read_text(), within=30)
    between.mend()

    eventually(lambda: row(second)["state"] == "succeeded", within=40)
    assert worker.running
