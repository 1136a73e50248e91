"""The network between a worker and Postgres breaks."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_worker_cut_off_from_postgres_comes_back(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, proxy: Any,
    database: Any, postgres_server: Any,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker",
        "-Q",
        "upkeep",
        "--autoscale=3,1",
        app=KINDS,
        **{**QUICK, "WATCHKEEPER_DATABASE_URL": url},
    )
    run_id = new_run("tests.counting", items=5, seconds=0.7)
    eventually(lambda: len(effects()) >= 1, within=60)

    between.cut()
    eventually(lambda: "demand.unread" in worker.log.read_text(), within=20)
    between.mend()

    eventually(lambda: row(run_id)["finished_at"], within=60)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 5)
    assert effects() == [f"i{n}" for n in range(5)]
    assert worker.running
