"""The network between a worker and Postgres hangs: nothing arrives, no error says so."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_worker_whose_network_to_postgres_hangs_writes_nothing_over_its_successor(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, proxy: Any,
    database: Any, postgres_server: Any, connection: Any,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    celery_process("beat", **QUICK)
    hanging = {**QUICK, "WATCHKEEPER_DATABASE_URL": url}
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **hanging)
    run_id = new_run("tests.counting", items=4, seconds=1)
    eventually(lambda: len(effects()) >= 1, within=60)

    between.freeze()
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    eventually(
        lambda: connection.execute("select 1 as one from batch where fence = 2").fetchone(), within=60
    )
    between.mend()

    eventually(lambda: row(run_id)["finished_at"], within=45)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 4)
    assert effects() == ["i0", "i1", "i2", "i3"]
