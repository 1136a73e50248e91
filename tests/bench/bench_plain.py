"""A plain task from due to succeeded, beside the same task sent and worked by plain Celery.

CPU a run: sender (beat; for Celery a loop of `apply_async` on one producer, as its beat sends), worker,
Postgres.  2 pool processes, tasks that do nothing, all due at one instant.
"""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

import redis

from sandbox.processes import Process
from tests.bench.bench_runs import measure
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    say,
    tree_cpu,
)

KIND = (
    "insert into task_kind (name, description, options_schema, queue, plain, acks_late, max_attempts)"
    " values ('plain.noop', 'Nothing at all', '{\"type\": \"object\"}', 'upkeep', true, false, 1)"
    " on conflict (name) do nothing"
)


def start(bench: BenchEnvironment, given: Namespace) -> Process:
    return bench.program(
        "plain", "celery", "-A", "tests.support.app_plain", "worker", "-Q", "upkeep", "-n", "plain@bench",
        "-c", str(given.processes), "-O", "fair", "--loglevel", "WARNING", "--without-gossip",
        "--without-mingle", "--without-heartbeat",
    )  # fmt: skip


def by_celery(bench: BenchEnvironment, worker: Process, number: int) -> dict[str, Any]:
    """The same task without the ledger."""
    from tests.support import app_plain

    with app_plain.app.producer_pool.acquire(block=True) as producer:
        began = time.process_time()
        before, since = tree_cpu(worker.pid), time.monotonic()
        for _ in range(number):
            app_plain.noop.apply_async(queue="upkeep", producer=producer)
        sender = time.process_time() - began
    with redis.Redis(port=bench.valkey.port, protocol=2) as client:
        bench.until(lambda: not client.exists("upkeep"), within=300, every=0.05)
    took = time.monotonic() - since
    cpu = tree_cpu(worker.pid) - before
    return {
        "n": number,
        "runs_a_second": number / took,
        "cpu_ms_a_run": 1000 * (sender + cpu) / number,
        "sender_ms": 1000 * sender / number,
        "worker_ms": 1000 * cpu / number,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    given = parse(parser)
    with bench_environment() as bench:
        bench.sql.execute(KIND)
        bench.empty()
        bench.beat()
        worker = start(bench, given)
        bench.until(lambda: bench.value("select count(*) from heartbeat where role = 'worker'"))
        by_celery(bench, worker, 300)
        celery = by_celery(bench, worker, given.runs)
        say("plain_celery", processes=given.processes, **celery)
        measure(bench, worker, "plain.noop", 300)
        ledger = measure(bench, worker, "plain.noop", given.runs)
        say("plain_ledger", processes=given.processes, **ledger)
        say("plain", times_the_cpu_of_celery=ledger["cpu_ms_a_run"] / celery["cpu_ms_a_run"])
        bench.stop_others()


if __name__ == "__main__":
    main()
