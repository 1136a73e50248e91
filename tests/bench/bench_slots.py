"""500 symbols behind 5 calls a minute (time scaled 60 : 1) beside 200 unlimited jobs on the same two workers.

The unlimited jobs are timed alone, then while the symbols wait; and how long a symbol's batch ever held a
process.  The longest wait that may hold one is scaled like the rest; ``--unscaled`` leaves it at 2 s.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from typing import Any

from bench_autoscale import EFFECT

from sandbox.ports import free_port
from sandbox.processes import Process
from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, say

JOBS, SYMBOLS, SECONDS = 200, 500, 0.1


def start(bench: BenchEnvironment, name: str, command: list[str], **env: str) -> Process:
    process = Process(
        [sys.executable, "-m", *command], log=bench.folder / f"{name}.log", cwd=ROOT,
        env={"WATCHKEEPER_LOG_LEVEL": "WARNING", **env},
    )  # fmt: skip
    process.start()
    return process


def runs(
    bench: BenchEnvironment, number: int, task: str, options: dict[str, Any], **columns: Any
) -> list[str]:
    ids = [str(uuid.uuid4()) for _ in range(number)]
    row = {"task": task, "options": json.dumps(options), "trigger": "manual", "state": "due", **columns}
    names, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    bench.sql.execute(
        f"insert into run (id, due_at, queue, batch_count, open_batches, {names})"
        f" select id, clock_timestamp(), 'upkeep', 1, 1, {marks} from unnest(%(ids)s::uuid[]) id",
        {**row, "ids": ids},
    )
    bench.sql.execute(
        "insert into batch (run_id, seq, task, queue) select id, 0, %s, 'upkeep' from unnest(%s::uuid[]) id",
        (task, ids),
    )
    bench.sql.execute("notify watchkeeper, 'batch'")
    return ids


def jobs(bench: BenchEnvironment) -> tuple[float, float]:
    """Seconds until 200 unlimited jobs are done; the longest that a symbol's batch held a process."""
    ids = runs(bench, JOBS, "tests.counting", {"items": 1, "seconds": SECONDS})
    began, held = time.monotonic(), 0.0
    while bench.value(
        "select count(*) from run where id = any(%s::uuid[]) and finished_at is null", ids
    ):
        now_held = bench.value(
            "select extract(epoch from max(clock_timestamp() - updated_at))::float8 from batch"
            " where state = 'running' and task = 'tests.calling' and seq > 0"
        )
        held = max(held, now_held or 0.0)
        time.sleep(0.02)
    return time.monotonic() - began, held


def main() -> None:
    wait = "2.0" if "--unscaled" in sys.argv else str(2 / 60)
    rounds = 1 if "--quick" in sys.argv else 3
    with bench_environment() as bench:
        import tests.support.kinds  # noqa: F401 - registers the tests' kinds
        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered(), relaxed=True)
        bench.sql.execute(EFFECT)
        port = free_port()
        bench.sql.execute(
            "insert into upstream (name, base_url) values ('generic', %s)",
            (f"http://127.0.0.1:{port}",),
        )
        bench.sql.execute("insert into quota (upstream, per, calls) values ('generic', '1 second', 5)")
        upstream = start(
            bench, "upstream", ["sandbox.upstreams", "generic", "--port", str(port), "--limit", "5/1"]
        )
        worker = ["celery", "-A", "tests.support.kinds", "worker", "-Q", "upkeep", "-c", "2", "-O", "fair",
                  "--without-gossip", "--without-mingle"]  # fmt: skip
        workers = [
            start(bench, f"w{n}", [*worker, "-n", f"w{n}@bench"], WATCHKEEPER_QUOTA_WAIT_SECONDS=wait)
            for n in (1, 2)
        ]
        bench.beat(WATCHKEEPER_LOG_LEVEL="WARNING")
        bench.until(lambda: bench.value("select count(*) from heartbeat where role = 'worker'") == 2)
        jobs(bench)
        alone = [jobs(bench)[0] for _ in range(rounds)]
        runs(bench, 1, "tests.calling", {"items": SYMBOLS}, batch_size=5)
        bench.until(
            lambda: bench.value("select count(*) from batch where waiting_for is not null") > 50
        )
        beside = [jobs(bench) for _ in range(rounds)]
        say(
            "slots",
            alone_s=statistics.median(alone),
            beside_500_waiting_symbols_s=statistics.median(took for took, _ in beside),
            slowed_by=statistics.median(took for took, _ in beside) / statistics.median(alone) - 1,
            longest_hold_s=max(held for _, held in beside),
            symbols_done=bench.value("select sum(done) from batch where task = 'tests.calling'"),
        )
        for process in [*workers, upstream]:
            process.stop(grace=5.0)


if __name__ == "__main__":
    main()
