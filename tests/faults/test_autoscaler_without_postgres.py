"""A worker's autoscaler cannot read the demand: Postgres is out of reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.runs import KINDS


def scalings(log: Path) -> list[dict[str, Any]]:
    """Every decision about the pool's size that the worker logged."""
    lines = [line for line in log.read_text().splitlines() if '"pool.scaled"' in line]
    return [json.loads(line) for line in lines]


def test_the_pool_follows_the_messages_in_hand_while_postgres_is_away(
    celery_process: Any, kinds: Any, connection: Any, eventually: Any, proxy: Any, database: Any,
    postgres_server: Any, broker_url: str,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    worker = celery_process(
        "worker", "-Q", "upkeep", "--autoscale=4,1", "-O", "fair", app=KINDS,
        WATCHKEEPER_DATABASE_URL=url, WATCHKEEPER_LOG_FORMAT="json",
    )  # fmt: skip
    eventually(lambda: connection.execute("select 1 as one from scaling_status").fetchone(), within=60)

    between.cut()
    eventually(lambda: "demand.unread" in worker.log.read_text(), within=20)
    with kinds.app.connection_for_write(url=broker_url) as link:
        for _ in range(4):
            kinds.app.send_task(
                "tests.holding", kwargs={"seconds": 15}, queue="upkeep", connection=link
            )
    eventually(lambda: [s for s in scalings(worker.log) if s["after"] == 4], within=40)

    grown = scalings(worker.log)
    assert {one["measure"] for one in grown} == {"messages in hand: Postgres or Redis is unreachable"}
    assert all(one["after"] - one["before"] == 1 for one in grown)

    between.mend()
    eventually(
        lambda: connection.execute(
            "select 1 as one from scaling_status where measure = 'ledger' and processes = 1"
        ).fetchone(),
        within=60,
    )
