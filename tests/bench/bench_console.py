"""The console with many schedules and runs: how long the server takes for lists, pages and searches.

`--schedules N --runs N --repeat N`; 100,000 and 5,000,000 by default.  Prints milliseconds at p50 and
p95 of each request, and the size of the first page gzipped.
"""

from __future__ import annotations

import argparse
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from console.app import create_app
from console.config import Config
from console.security.credentials import new_secret
from console.serving import server_of
from sandbox.processes import free_port
from tests.support.bench_environment import bench_environment, say
from tests.support.waiting import wait_for

REQUESTS = {
    **{f"schedules by {sort}": f"/api/v1/schedules?sort={sort}" for sort in
       ("need", "name", "-name", "next", "last", "-last", "result", "-result", "success", "duration")},
    **{f"schedules {state}": f"/api/v1/schedules?state={state}&sort=name"
       for state in ("problem", "running", "paused", "disabled", "on")},
    **{f"search {q!r}": f"/api/v1/schedules?sort=name&q={q}"
       for q in ("9", "99", "zq", "777", "schedule-99999", "no such thing", "note 4")},
    "runs": "/api/v1/runs",
    "runs of one": "/api/v1/runs?schedule=schedule-00042",
    "runs that failed": "/api/v1/runs?state=problem",
    "runs at work": "/api/v1/runs?state=active",
    "one schedule": "/api/v1/schedules/schedule-00042",
    "strip of one": "/api/v1/schedules/schedule-00042/strip",
    "changes": "/api/v1/changes",
    "dashboard": "/api/v1/dashboard",
    "strip": "/api/v1/strip",
}  # fmt: skip
FILL = (
    "alter table schedule disable trigger user",
    """insert into schedule (name, task, every, note, revision)
       select 'schedule-' || lpad(n::text, 5, '0'), 'tests.noop', '1 hour', 'note ' || n % 1000, 1
         from generate_series(0, {schedules} - 1) n""",
    "alter table schedule enable trigger user",
    """insert into schedule_state (schedule, planned_revision, anchor_at, next_run_at, claim_at, last_run_id,
              last_run_at, last_state, last_summary, success_share, median_duration, consecutive_failures)
       select name, 1, now(), now() + n * interval '1 second', now() + interval '1 hour' + n * interval '1 second',
              gen_random_uuid(), now() - n * interval '1 second',
              case when n % 50 = 0 then 'failed' else 'succeeded' end, n || ' found', 1 - n % 7 / 20.0,
              n % 90 * interval '1 second', case when n % 5000 = 0 then 1 else 0 end
         from (select name, row_number() over () as n from schedule) s""",
    "alter table run disable trigger user",
    """insert into run (id, schedule, task, trigger, due_at, state, queue, max_attempts, created_at, started_at,
              finished_at, counted, result, total, done)
       select gen_random_uuid(), 'schedule-' || lpad((n % {schedules})::text, 5, '0'), 'tests.noop', 'manual', at,
              case when n % 50 = 0 then 'failed' else 'succeeded' end, 'upkeep', 1, at, at, at + interval '3 seconds',
              true, '{{"summary": "3 found"}}', 3, 3
         from (select n, now() - interval '1 hour' - n * interval '0.4 seconds' as at
                 from generate_series(1, {runs}) n) g""",
    "alter table run enable trigger user",
    "vacuum analyze",
)


@contextmanager
def serving(url: str) -> Iterator[str]:
    config = Config(url, port=free_port())
    server = server_of(create_app(config), config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, 30)
    yield f"http://127.0.0.1:{config.port}"
    server.should_exit = True
    thread.join(20)


def measured(client: httpx2.Client, path: str, repeat: int) -> dict[str, Any]:
    took = []
    for _ in range(repeat):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    took.sort()
    return {
        "p50_ms": round(took[len(took) // 2], 1),
        "p95_ms": round(took[int(len(took) * 0.95)], 1),
        "kb_gzipped": round(len(gzip.compress(answer.content)) / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5_000_000)
    parser.add_argument("--repeat", type=int, default=40)
    given = parser.parse_args()
    with bench_environment() as bench:
        bench.sql.execute("truncate schedule, run, schedule_edit, change cascade")
        for statement in FILL:
            bench.sql.execute(statement.format(schedules=given.schedules, runs=given.runs))
        secret, hashed = new_secret()
        bench.sql.execute("insert into console.person (name, role) values ('bench', 'operator')")
        bench.sql.execute(
            "insert into console.session (hash, person, expires_at)"
            " values (%s, 'bench', now() + interval '1 hour')",
            (hashed,),
        )
        with (
            serving(bench.postgres.login("console")) as address,
            httpx2.Client(base_url=address, cookies={"watchkeeper": secret}, timeout=60) as client,
        ):
            for name, path in {
                **REQUESTS,
                "first page": "/",
                "page of schedules": "/schedules",
            }.items():
                measured(client, path, 3)
                say("console", what=name, **measured(client, path, given.repeat))


if __name__ == "__main__":
    main()
