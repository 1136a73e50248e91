"""No-op runs through the ledger beside plain Celery no-op tasks, on the same pool.

What counts is CPU of the worker's own processes a run; the rate of a shared machine is shown beside it.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from sandbox.processes import Process
from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, cpu_seconds, say


def tree(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def used(pid: int) -> float:
    return sum(cpu_seconds(one) for one in tree(pid))


def start_worker(bench: BenchEnvironment) -> Process:
    process = Process(
        [sys.executable, "-m", "celery", "-A", "tests.support.app_plain", "worker", "-Q", "upkeep", "-n", "w@bench", "-c", "2",
         "-O", "fair", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"],
        log=bench.folder / "worker.log",
        cwd=ROOT,
    )  # fmt: skip
    process.start()
    bench.until(lambda: bench.value("select count(*) from heartbeat where role = 'worker'"))
    return process


def measure(bench: BenchEnvironment, what: str, number: int, send: Any, left: Any) -> float:
    """CPU seconds a run, from the first message until nothing is left."""
    bench.empty()
    worker = start_worker(bench)
    send(50)
    bench.until(lambda: left() == 0)
    send(number)
    time.sleep(0.1)
    before, began, first = used(worker.pid), time.monotonic(), left()
    main = cpu_seconds(worker.pid)
    while (now_left := left()) > number * 0.02:
        time.sleep(0.05)
    done = first - now_left
    cpu, took = used(worker.pid) - before, time.monotonic() - began
    say(
        what,
        runs=done,
        runs_a_second=done / took,
        cpu_us_a_run=1e6 * cpu / done,
        of_it_main_process=1e6 * (cpu_seconds(worker.pid) - main) / done,
    )
    worker.stop(grace=10.0)
    return cpu / done


def main() -> None:
    number = 1500 if "--quick" in sys.argv else 3000
    with bench_environment() as bench:
        from beat.tick.outbox import Outbox
        from tests.support import app_plain
        from workers.ledger.sent import Message

        def plain(count: int) -> None:
            with (
                app_plain.app.producer_pool.acquire(block=True) as producer,
                producer.batch(max_size=500),
            ):
                for _ in range(count):
                    app_plain.noop.apply_async(queue="upkeep", producer=producer)

        outbox = Outbox(app_plain.app)

        def ledger(count: int) -> None:
            ids = [str(uuid.uuid4()) for _ in range(count)]
            bench.sql.execute(
                "insert into run (id, task, options, trigger, due_at, state, queue, batch_count, open_batches)"
                " select id, 'tests.noop_kind', %s, 'manual', clock_timestamp(), 'due', 'upkeep', 1, 1"
                " from unnest(%s::uuid[]) id", (json.dumps({}), ids),
            )  # fmt: skip
            bench.sql.execute(
                "insert into batch (run_id, seq, task, queue, state, send_at, sends)"
                " select id, 0, 'tests.noop_kind', 'upkeep', 'sent', clock_timestamp() + interval '1 hour', 1"
                " from unnest(%s::uuid[]) id", (ids,),
            )  # fmt: skip
            outbox.publish([Message(i, 0, 0, "tests.noop_kind", "upkeep", 5, None) for i in ids])

        def queued() -> int:
            import redis

            with redis.Redis(port=bench.valkey.port) as client:
                return sum(client.llen(key) for key in client.keys("upkeep*"))

        plainly = measure(bench, "worker_plain_celery", number, plain, queued)
        ours = measure(
            bench, "worker_ledger", number, ledger,
            lambda: bench.value("select count(*) from run where finished_at is null"),
        )  # fmt: skip
        say("worker", share_of_plain_celery_by_cpu=plainly / ours)


if __name__ == "__main__":
    main()
