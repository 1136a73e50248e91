"""Postgres is away for longer than a lease."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_postgres_away_for_longer_than_a_lease_robs_no_living_worker(
    celery_process: Any, new_run: Any, eventually: Any, database: Any, postgres_server: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    run_id = new_run("tests.counting", items=2, seconds=6)
    with database.connect() as first:
        eventually(
            lambda: first.execute("select 1 as one from batch where state = 'running'").fetchone(),
            within=60,
        )

    postgres_server.kill()
    eventually(lambda: "lease.not_renewed" in worker.log.read_text(), within=20)
    seen = worker.log.read_text().count("lease.not_renewed")
    eventually(lambda: worker.log.read_text().count("lease.not_renewed") >= seen + 4, within=20)
    postgres_server.start()

    with database.connect() as again:
        query = "select state, done from run where id = %s and finished_at is not null"
        ended = eventually(lambda: again.execute(query, (run_id,)).fetchone(), within=60)
        assert ended == {"state": "succeeded", "done": 2}
        assert again.execute("select sum(deaths) as n from batch").fetchone() == {"n": 0}
        assert again.execute("select count(*) as n from effect").fetchone() == {"n": 2}
