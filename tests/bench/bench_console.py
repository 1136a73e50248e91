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
from datetime import date
from pathlib import Path
from typing import Any

import httpx2

from console.app import create_app, server_of
from console.config import Config
from console.security.credentials import new_secret
from sandbox.ports import free_port
from tests.support.bench_console_fill import fill
from tests.support.bench_environment import BenchEnvironment, bench_environment, say
from tests.support.waiting import wait_for

SORTS = (
    "need",
    "name",
    "-name",
    "next",
    "-next",
    "last",
    "-last",
    "result",
    "-result",
    "success",
    "duration",
)
STATES = ("problem", "running", "paused", "disabled", "on")
#: One, two and more letters, that many, few and none have.
TERMS = (
    "9",
    "e",
    "x",
    "99",
    "zq",
    "le",
    "777",
    "Title",
    "schedule-99999",
    "schedule",
    "no such thing",
    "note 4",
)
API = {
    **{f"schedules by {sort}": f"/schedules?sort={sort}" for sort in SORTS},
    **{f"schedules {state}": f"/schedules?state={state}&sort={sort}" for state in STATES for sort in ("name", "need")},
    **{f"search {q!r} by {sort}": f"/schedules?sort={sort}&q={q}" for q in TERMS for sort in ("name", "need")},
    "schedules of a kind": "/schedules?task=tasks.prices.refresh",
    "schedules of a queue": "/schedules?queue=listings&sort=last",
    "schedules counted": "/schedules?count=true",
    "search counted": "/schedules?count=true&q=note 4",
    "runs": "/runs", "runs of one": "/runs?schedule=schedule-00042", "runs of a rare one": "/runs?schedule=schedule-99999",
    **{f"runs {state}": f"/runs?state={state}"
       for state in ("problem", "active", "failed", "partial", "missed", "expired", "stopped", "running", "succeeded")},
    "runs failed of one": "/runs?state=problem&schedule=schedule-00042",
    "runs retried": "/runs?trigger=retry", "runs of a kind": "/runs?task=tasks.prices.refresh",
    "runs missed of a kind": "/runs?task=tasks.prices.refresh&state=missed",
    "runs that say": "/runs?q=HTTP 418", "runs that say nothing of it": "/runs?q=no such words",
    "one schedule": "/schedules/schedule-00042", "strip of one": "/schedules/schedule-00042/strip",
    "changes": "/changes", "changes by one": "/changes?by=person-3", "changes by nobody": "/changes?by=nobody",
    "changes of one": "/changes?table=schedule&name=schedule-00042",
    **{f"schedules {state}": f"/schedules?state={state}" for state in ("any", "enabled", "watching")},
    "runs ended today": f"/runs?state=succeeded&ended={date.today()}", "runs that wait": "/runs?state=active&upstream=dexscreener",
    "calls": "/calls", "calls of one": "/calls?upstream=dexscreener", "calls refused": "/calls?outcome=refused",
    "batches": "/batches", "batches ready": "/batches?state=ready", "notices held": "/notices?state=held",
    "dashboard": "/dashboard", "strip": "/strip", "health": "/health", "upstreams": "/upstreams", "queues": "/queues",
}  # fmt: skip
PAGES = (
    "/", "/trouble", "/schedules", "/schedules?sort=last", "/schedules?q=e", "/schedules?q=zq", "/schedules?q=note 4",
    "/schedules?state=problem", "/schedules?state=on", "/schedules/schedule-00001", "/schedules/schedule-00001/run",
    "/schedules/schedule-00001/chart", "/schedules/_bulk?action=pause&q=note 4", "/schedules/_new", "/runs", "/runs?state=problem",
    "/runs?state=missed", "/runs?q=HTTP 418", "/runs?schedule=schedule-00001", "/calls", "/batches", "/budgets", "/workers", "/watches", "/watches/tokens",
    "/watches/quotes", "/watches/listings", "/matches", "/channels", "/outbox", "/tables/rule", "/changes", "/changes?by=person-3",
    "/changes?by=nobody", "/account",
)  # fmt: skip


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


def measured(bench: BenchEnvironment, client: httpx2.Client, path: str, repeat: int) -> dict[str, Any]:
    """Milliseconds of the clock, which other programs lengthen, and of CPU, with those of the client."""
    took = []
    used = (time.process_time(), bench.postgres_cpu())
    for _ in range(repeat):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in {200, 503}, f"{path}: {answer.status_code} {answer.text[:500]}"
    took.sort()
    console, postgres = time.process_time() - used[0], bench.postgres_cpu() - used[1]
    return {
        "cpu_ms": round(1000 * console / repeat, 1),
        "postgres_cpu_ms": round(1000 * postgres / repeat, 1),
        "p50_ms": round(took[len(took) // 2], 1),
        "p95_ms": round(took[int(len(took) * 0.95)], 1),
        "kb_gzipped": round(len(gzip.compress(answer.content)) / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5_000_000)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument(
        "--keep", type=Path, help="a folder for the database, used again by the next run"
    )
    parser.add_argument("--only", default="", help="requests whose name or path holds this")
    given = parser.parse_args()
    with bench_environment(keep=given.keep) as bench:
        if not bench.value("select exists (select from run)"):
            fill(bench.sql, given.schedules, given.runs)
        secret, hashed = new_secret()
        bench.sql.execute(
            "insert into console.person (name, role) values ('bench', 'operator') on conflict do nothing"
        )
        bench.sql.execute(
            "insert into console.session (hash, person, expires_at)"
            " values (%s, 'bench', now() + interval '1 hour')",
            (hashed,),
        )
        asked = {**{name: f"/api/v1{path}" for name, path in API.items()},
                 **{f"page {path}": path for path in PAGES}}  # fmt: skip
        run = bench.value("select id from run where state = 'running' limit 1")
        asked |= {"page of a run": f"/runs/{run}", "run": f"/api/v1/runs/{run}"}
        with (
            serving(bench.postgres.login("console")) as address,
            httpx2.Client(base_url=address, cookies={"watchkeeper": secret}, timeout=60) as client,
        ):
            for name, path in asked.items():
                if given.only in f"{name} {path}":
                    measured(bench, client, path, 3)
                    say("console", what=name, **measured(bench, client, path, given.repeat))


if __name__ == "__main__":
    main()
