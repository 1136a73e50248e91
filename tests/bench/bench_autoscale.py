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

from ground import ROOT, Ground, ground, say

from sandbox.processes import Process

BATCHES = 200
EFFECT = "create table if not exists effect (run_id uuid, item text, pid integer, at timestamptz default clock_timestamp())"


def children(process: Process) -> int:
    """Processes of the pool that run now."""
    found = subprocess.run(
        ["ps", "--no-headers", "-o", "stat", "--ppid", str(process.pid)],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    return sum(not one.startswith("Z") for one in found)


def start_worker(place: Ground, app: str) -> Process:
    process = Process(
        [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", "upkeep", "-n", f"{app}@bench",
         "--autoscale=8,1", "-O", "fair", "--without-gossip", "--without-mingle"],
        log=place.folder / f"{app}.log",
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'tests' / 'bench'}"},
    )  # fmt: skip
    process.start()
    place.until(lambda: place.value("select count(*) from heartbeat where name = %s", f"{app}@bench"))
    return process


def load(place: Ground, seconds: float, waiting_for: str | None = None) -> uuid.UUID:
    """A run of 200 planned batches, each taking a while, ready or waiting for an upstream."""
    run_id = uuid.uuid4()
    items = json.dumps([{"key": "i0", "state": "waiting"}])
    place.sql.execute(
        "insert into run (id, task, options, trigger, due_at, state, queue, batch_count, open_batches,"
        " total, started_at) values (%s, 'tests.counting', %s, 'manual', clock_timestamp(), 'running',"
        " 'upkeep', %s, %s, %s, clock_timestamp())",
        (run_id, json.dumps({"seconds": seconds}), BATCHES, BATCHES, BATCHES),
    )
    place.sql.execute(
        "insert into batch (run_id, seq, task, queue, items, total, waiting_for, send_at)"
        " select %s, n, 'tests.counting', 'upkeep', %s, 1, %s,"
        "        case when %s::text is null then clock_timestamp() end from generate_series(1, %s) n",
        (run_id, items, waiting_for, waiting_for, BATCHES),
    )
    place.sql.execute("notify watchkeeper, 'batch'")
    return run_id


def measure(place: Ground, what: str, app: str) -> None:
    place.empty()
    worker = start_worker(place, app)
    place.until(lambda: children(worker) == 1)
    sizes: list[int] = []
    run_id = load(place, 0.4)
    began = time.monotonic()
    figures: dict[str, Any] = {}
    while time.monotonic() - began < 150:
        size = children(worker)
        sizes.append(size)
        now = time.monotonic() - began
        ended = place.value("select finished_at is not null from run where id = %s", run_id)
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


def measure_waiting(place: Ground) -> None:
    """200 batches that wait for a quota."""
    place.empty()
    worker = start_worker(place, "kinds_for_tests")
    place.sql.execute(
        "insert into upstream (name, base_url) values ('shut', 'http://127.0.0.1:1') on conflict do nothing"
    )
    place.sql.execute(
        "update upstream_state set next_permit_at = 'infinity', blocked_until = 'infinity'"
    )
    load(place, 0.4, waiting_for="shut")
    sizes = []
    end = time.monotonic() + 12
    while time.monotonic() < end:
        sizes.append(children(worker))
        time.sleep(0.1)
    say("autoscale_waiting_for_a_quota", batches=BATCHES, most=max(sizes))
    worker.stop(grace=10.0)


def main() -> None:
    with ground() as place:
        sys.path.insert(0, str(ROOT / "tests"))
        import kinds_for_tests  # noqa: F401 - registers the tests' kinds

        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered(), relaxed=True)
        place.sql.execute(EFFECT)
        place.beat()
        os.environ["WATCHKEEPER_LOG_LEVEL"] = "INFO"
        measure(place, "autoscale_ours", "kinds_for_tests")
        measure_waiting(place)
        if "--quick" not in sys.argv:
            measure(place, "autoscale_celery", "app_stock_autoscaler")
        if "--show" in sys.argv:
            print((place.folder / "kinds_for_tests.log").read_text())


if __name__ == "__main__":
    main()
