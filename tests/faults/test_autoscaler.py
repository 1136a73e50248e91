"""A real worker's pool: it follows the work, obeys edited bounds, and ends no running batch."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def size(connection: Any) -> Any:
    def read() -> int:
        row = connection.execute("select processes from scaling_status").fetchone()
        return row["processes"] if row else 0

    return read


def test_the_pool_follows_the_work_and_edited_bounds_and_ends_no_running_batch(
    celery_process: Any, new_run: Any, connection: Any, eventually: Any, size: Any
) -> None:
    celery_process("beat")
    celery_process(
        "worker",
        "-Q",
        "upkeep",
        "--autoscale=6,1",
        "--slots",
        "1",
        "-O",
        "fair",
        app="tests.support.kinds",
    )
    eventually(lambda: size() == 1, within=60)

    slow = [new_run("tests.counting", items=1, seconds=20) for _ in range(2)]
    for _ in range(10):
        new_run("tests.counting", items=1, seconds=0.5)
    eventually(lambda: size() == 6, within=45)

    # Two run on while the others end: only idle processes go.
    eventually(lambda: size() == 2, within=40)
    eventually(
        lambda: connection.execute(
            "select count(*) = 2 as ok from run where id = any(%s) and state = 'succeeded'", (slow,)
        ).fetchone()["ok"],
        within=40,
    )
    assert connection.execute("select sum(deaths) as n from batch").fetchone()["n"] == 0

    group = connection.execute("select split_part(worker, '@', 1) as g from scaling_status").fetchone()[
        "g"
    ]
    connection.execute("insert into worker_group values (%s, 3, 5)", (group,))
    eventually(lambda: size() == 3, within=45)

    connection.execute("delete from worker_group")
    eventually(lambda: size() == 1, within=30)
