"""0 → 200 ready batches → 0 with ``--autoscale=8,1``: time to full size and back to one.

Ours, then Celery's own, then ours while 200 batches wait for a quota (which must leave it at one).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from typing import Any

from sandbox.processes import Process
from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, say

BATCHES = 200
EFFECT = "create table if not exists effect (run_id uuid, item text, pid integer, at timestamptz default clock_timestamp())"


def children(process: Process) -> int:
    """Processes of the pool that run now."""
    found = subprocess.run(
        ["ps", "--no-headers", "-o", "stat", "--ppid", str(process.pid)],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    return sum(not one.startswith("Z") for one in found)


def start_worker(bench: BenchEnvironment, app: str) -> Process:
    process = Process(
        [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", "upkeep", "-n", f"{app}@bench",
         "--autoscale=8,1", "-O", "fair", "--without-gossip", "--without-mingle"],
        log=bench.folder / f"{app}.log",
        cwd=ROOT,
    )  # fmt: skip
    process.start()
    bench.until(lambda: bench.value("select count(*) from heartbeat where name = %s", f"{app}@bench"))
    return process


def load(bench: BenchEnvironment, seconds: float, waiting_for: str | None = None) -> uuid.UUID:
    """A run of 200 planned batches, each taking a while, ready or waiting for an upstream."""
    run_id = uuid.uuid4()
    items = json.dumps([{"key": "i0", "state": "waiting"}])
    bench.sql.execute(
        "insert into run (id, task, options, trigger, due_at, state, queue, batch_count, open_batches,"
        " total, started_at) values (%s, 'tests.counting', %s, 'manual', clock_timestamp(), 'running',"
        " 'upkeep', %s, %s, %s, clock_timestamp())",
        (run_id, json.dumps({"seconds": seconds}), BATCHES, BATCHES, BATCHES),
    )
    bench.sql.execute(
        "insert into batch (run_id, seq, task, queue, items, total, waiting_for, send_at)"
        " select %s, n, 'tests.counting', 'upkeep', %s, 1, %s,"
        "        case when %s::text is null then clock_timestamp() end from generate_series(1, %s) n",
        (run_id, items, waiting_for, waiting_for, BATCHES),
    )
    bench.sql.execute("notify watchkeeper, 'batch'")
    return run_id


def measure(bench: BenchEnvironment, what: str, app: str) -> None:
    bench.empty()
    worker = start_worker(bench, app)
    bench.until(lambda: children(worker) == 1)
    sizes: list[int] = []
    run_id = load(bench, 0.4)
    began = time.monotonic()
    figures: dict[str, Any] = {}
    while time.monotonic() - began < 150:
        size = children(worker)
        sizes.append(size)
        now = time.monotonic() - began
        ended = bench.value("select finished_at is not null from run where id = %s", run_id)
        if size == 8:
            figures.setdefault("full_after_s", now)
        if ended:
            figures.setdefault("done_after_s", now)
            if size == 1:
                figures["small_again_after_s"] = now - figures["done_after_s"]
                break
        time.sleep(0.1)
    say(what, most=max(sizes), **figures)
    worker.stop(grace=10.0)


def measure_waiting(bench: BenchEnvironment) -> None:
    """200 batches that wait for a quota."""
    bench.empty()
    worker = start_worker(bench, "tests.support.kinds")
    bench.sql.execute(
        "insert into upstream (name, base_url) values ('shut', 'http://127.0.0.1:1') on conflict do nothing"
    )
    bench.sql.execute(
        "update upstream_state set next_permit_at = 'infinity', blocked_until = 'infinity'"
    )
    load(bench, 0.4, waiting_for="shut")
    sizes = []
    end = time.monotonic() + 12
    while time.monotonic() < end:
        sizes.append(children(worker))
        time.sleep(0.1)
    say("autoscale_waiting_for_a_quota", batches=BATCHES, most=max(sizes))
    worker.stop(grace=10.0)


def main() -> None:
    with bench_environment() as bench:
        import tests.support.kinds  # noqa: F401 - registers the tests' kinds
        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered(), relaxed=True)
        bench.sql.execute(EFFECT)
        bench.beat()
        os.environ["WATCHKEEPER_LOG_LEVEL"] = "INFO"
        measure(bench, "autoscale_ours", "tests.support.kinds")
        measure_waiting(bench)
        if "--quick" not in sys.argv:
            measure(bench, "autoscale_celery", "tests.support.app_stock_autoscaler")
        if "--show" in sys.argv:
            print((bench.folder / "tests.support.kinds.log").read_text())


if __name__ == "__main__":
    main()
