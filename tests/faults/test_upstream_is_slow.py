"""An upstream takes longer for an answer than a lease lasts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.processes import QUICK
from tests.support.runs import KINDS


@pytest.mark.parametrize("slots", ["1", "64"])
def test_a_call_longer_than_a_lease_costs_no_lease_and_is_made_once(
    celery_process: Any,
    imitation: Any,
    new_run: Any,
    row: Any,
    connection: Any,
    eventually: Any,
    slots: str,
) -> None:
    server = imitation("generic", "--fault", "slow=5")
    connection.execute("insert into upstream (name, base_url) values ('generic', %s)", (server.url,))
    celery_process("beat", **QUICK)
    for _ in range(2):
        celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, WATCHKEEPER_SLOTS=slots, **QUICK)
    run_id = new_run("tests.calling", items=2)

    eventually(lambda: row(run_id)["finished_at"], within=60)

    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 2)
    assert connection.execute("select sum(deaths) as n from batch").fetchone()["n"] == 0
    assert [call["path"] for call in server.get("/_log")] == ["/i0", "/i1"]
