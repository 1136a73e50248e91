"""Runs from due to succeeded, 2 worker processes: runs a second, and CPU a run of beat, worker and Postgres.

First runs that do nothing, all due at one instant; with ``--events`` once more while Flower listens.
Then runs that wait 200 ms, with the worker's memory (PSS).  Then other job runners on the same Postgres, unless
``--no-peers``.  fsync and synchronous_commit are on.
"""

from __future__ import annotations

import threading
import urllib.request
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from sandbox.ports import free_port
from sandbox.processes import Process
from tests.support import bench_peers
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    pss_mib,
    say,
    tree,
    tree_cpu,
)

#: Share of the runs that must be over when CPU is read: the last ones leave slots empty.
MEASURED = 0.95


@dataclass(frozen=True)
class Used:
    """CPU seconds so far."""

    beat: float
    worker: float
    postgres: float
    valkey: float


def used(bench: BenchEnvironment, worker: Process) -> Used:
    assert bench.valkey.process is not None
    return Used(
        bench.beats_cpu(),
        tree_cpu(worker.pid),
        bench.postgres_cpu(),
        tree_cpu(bench.valkey.process.pid),
    )


def cpu_figures(before: Used, after: Used, runs: int) -> dict[str, float]:
    """CPU ms a run; ours and Postgres's together come first."""
    parts = {
        name: 1000 * (getattr(after, name) - getattr(before, name)) / runs
        for name in ("beat", "worker", "postgres", "valkey")
    }
    total = parts["beat"] + parts["worker"] + parts["postgres"]
    return {"cpu_ms_a_run": total, **{f"{name}_ms": value for name, value in parts.items()}}


class Memory(threading.Thread):
    """The most memory that a worker and its processes had, looked at twice a second."""

    def __init__(self, worker: Process) -> None:
        super().__init__(daemon=True)
        self._pid, self._over = worker.pid, threading.Event()
        self.most = 0.0

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.most = max(self.most, pss_mib(tree(self._pid)))

    def stop(self) -> float:
        self._over.set()
        self.join()
        return self.most


def finished(bench: BenchEnvironment) -> int:
    return int(
        bench.value(
            "select count(*) from run where finished_at is not null and created_at > %s", bench.since
        )
    )


def begun(bench: BenchEnvironment) -> bool:
    return bool(bench.value("select exists (select from run where created_at > %s)", bench.since))


def measure(bench: BenchEnvironment, worker: Process, task: str, number: int) -> dict[str, Any]:
    """``number`` schedules due at one instant; every one must have succeeded, once."""
    bench.renew()
    bench.load(number, "interval '2 seconds'", task=task)
    due = bench.value("select min(claim_at) from schedule_state")
    bench.until(lambda: begun(bench), every=0.005)
    before, memory = used(bench, worker), Memory(worker)
    memory.start()
    bench.until(lambda: finished(bench) >= number * MEASURED, within=600, every=0.1)
    after, done = used(bench, worker), finished(bench)
    bench.until(lambda: finished(bench) == number, within=120, every=0.1)
    most = memory.stop()
    at = bench.sql.execute(
        "select finished_at from run where created_at > %s order by finished_at limit 1 offset %s",
        (bench.since, done - 1),
    ).fetchall()[0][0]
    good, twice, fences = bench.sql.execute(
        "select count(*) filter (where r.state = 'succeeded'), count(*) - count(distinct schedule),"
        " max(b.fence) from run r join batch b on b.run_id = r.id where r.created_at > %s",
        (bench.since,),
    ).fetchall()[0]
    assert (good, twice, fences) == (number, 0, 1), f"{good} succeeded, {twice} twice, fence {fences}"
    return {
        "n": number,
        "runs_a_second": done / (at - due).total_seconds(),
        **cpu_figures(before, after, done),
        "worker_pss_mib": most,
    }


def warm(bench: BenchEnvironment, worker: Process) -> None:
    """Processes have imported all, plans are made."""
    measure(bench, worker, "tests.noop_kind", 300)


def noop(bench: BenchEnvironment, given: Namespace, slots: int) -> None:
    bench.empty()
    bench.beat()
    worker = bench.worker(given.processes, slots, "-E")
    warm(bench, worker)
    found = measure(bench, worker, "tests.noop_kind", given.runs)
    say("runs_noop", processes=given.processes, slots=slots, **found)
    if given.events:
        flower = listen(bench)
        before = tree_cpu(flower.pid)
        found = measure(bench, worker, "tests.noop_kind", given.runs)
        listener = 1000 * (tree_cpu(flower.pid) - before) / given.runs
        say("runs_noop_flower", processes=given.processes, slots=slots, **found, flower_ms=listener)
    bench.stop_others()
    bench.stop_beats()


def listen(bench: BenchEnvironment) -> Process:
    """Flower, once it answers."""
    port = free_port()
    flower = bench.program(
        "flower", "celery", "-A", "workers.app", "flower", f"--port={port}", "--address=127.0.0.1"
    )

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=1):
                return True
        except OSError:
            return False

    bench.until(answers, within=60)
    return flower


def waiting(bench: BenchEnvironment, given: Namespace) -> None:
    bench.empty()
    bench.beat()
    worker = bench.worker(given.processes, given.waiting_slots)
    warm(bench, worker)
    found = measure(bench, worker, "tests.pausing", given.waiting_runs)
    say("runs_200_ms", processes=given.processes, slots=given.waiting_slots, **found)
    bench.stop_others()
    bench.stop_beats()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="runs that do nothing")
    parser.add_argument(
        "--waiting-runs", type=int, default=4_000, help="runs that wait 200 ms; 0: none"
    )
    parser.add_argument("--processes", type=int, default=2, help="processes of the worker")
    parser.add_argument(
        "--slots", type=int, default=16, help="slots of a process for runs that do nothing"
    )
    parser.add_argument("--waiting-slots", type=int, default=64, help="slots for runs that wait")
    parser.add_argument("--events", action="store_true", help="also while Flower listens")
    parser.add_argument("--no-peers", action="store_true", help="without other job runners beside")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        bench.register_kinds()
        noop(bench, given, given.slots)
        if given.waiting_runs:
            waiting(bench, given)
        if not given.no_peers:
            bench_peers.compare(bench, given.runs, given.waiting_runs)


if __name__ == "__main__":
    main()
