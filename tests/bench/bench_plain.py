"""A plain task from due to ended in the ledger, beside the same task sent and worked by plain Celery.

CPU a run of sender (beat; for Celery a loop of `apply_async` on one producer), worker and Postgres; the
broker's beside.  One worker, 2 pool processes, a task that does nothing: many due at one instant, then so
many a second.  Both parts are measured from before the first is due until the last has ended.
"""

from __future__ import annotations

import statistics
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import redis

from sandbox.processes import Process
from tests.bench.bench_runs import Used, cpu_figures, used
from tests.support.bench_environment import (
    PLAIN,
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    say,
)

#: By an index, so that asking costs nothing beside what is measured.
ACTIVE = "select exists (select from run where state in ('due', 'running', 'held'))"
ENDED = (
    "select count(*) filter (where r.state = 'succeeded' and b.fence = 1), count(distinct schedule)"
    " from run r join batch b on b.run_id = r.id"
)


def start(bench: BenchEnvironment, given: Namespace) -> Process:
    return bench.program(
        "plain", "celery", "-A", "tests.support.app_plain", "worker", "-Q", "upkeep", "-n", "plain@bench",
        "-c", str(given.processes), "-O", "fair", "--loglevel", "WARNING", "--without-gossip",
        "--without-mingle", "--without-heartbeat",
        WATCHKEEPER_X_BACKEND=bench.valkey.url if given.backend else "",
    )  # fmt: skip


def figures(before: Used, after: Used, number: int, took: float) -> dict[str, Any]:
    return {"n": number, "seconds": took, **cpu_figures(before, after, number)}


def by_celery(bench: BenchEnvironment, worker: Process, number: int, rate: float) -> dict[str, Any]:
    """The same task without the ledger; ``rate`` a second, 0: all at once."""
    from tests.support import app_plain

    before, began = used(bench, worker), time.monotonic()
    pause = threading.Event()
    cpu = time.process_time()
    with app_plain.app.producer_pool.acquire(block=True) as producer:
        for n in range(number):
            if rate:
                pause.wait(began + n / rate - time.monotonic())
            app_plain.noop.apply_async(queue="upkeep", producer=producer)
    sender = time.process_time() - cpu
    with redis.Redis(port=bench.valkey.port, protocol=2) as client:
        bench.until(lambda: not client.exists("upkeep", "unacked"), within=300, every=0.05)
    after, took = used(bench, worker), time.monotonic() - began
    # There is no beat, and nobody asks Postgres for anything.
    after = Used(before.beat + sender, after.worker, before.postgres, after.valkey)
    return figures(before, after, number, took)


def by_ledger(bench: BenchEnvironment, worker: Process, number: int, rate: float) -> dict[str, Any]:
    """Each due time must have succeeded, once."""
    bench.renew()
    spread = f" + n * interval '{1 / rate} seconds'" if rate else ""
    bench.load(number, f"interval '2 seconds'{spread}", task=PLAIN)
    before, began = used(bench, worker), time.monotonic()
    last = bench.value("select max(anchor_at) from schedule_state")
    bench.until(
        lambda: (
            bench.value(f"select clock_timestamp() > %s and not ({ACTIVE})", last)
            and bench.value("select count(*) from run") == number
        ),
        within=600, every=0.25,
    )  # fmt: skip
    after, took = used(bench, worker), time.monotonic() - began - 2
    good, distinct = bench.sql.execute(ENDED).fetchall()[0]
    assert (good, distinct) == (number, number), f"{good} of {number} succeeded once"
    return figures(before, after, number, took)


def compare(bench: BenchEnvironment, worker: Process, given: Namespace) -> None:
    """By turns, so that a machine in use by others is as slow for both: the median of the rounds."""
    parts: dict[str, Callable[..., dict[str, Any]]] = {"celery": by_celery, "ledger": by_ledger}
    for name, number, rate in (
        ("burst", given.runs, 0.0),
        ("paced", int(given.rate * given.seconds), given.rate),
    ):
        ratios: list[float] = []
        for _ in range(given.rounds):
            took: dict[str, float] = {}
            for part, measure in parts.items():
                one = measure(bench, worker, number, rate)
                say(f"plain_{name}_{part}", processes=given.processes, **one)
                took[part] = one["cpu_ms_a_run"]
            ratios.append(took["ledger"] / took["celery"])
        ratio = statistics.median(ratios)
        say(f"plain_{name}", rounds=given.rounds, backend=given.backend, times_the_cpu_of_celery=ratio)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="due at one instant")
    parser.add_argument("--rate", type=float, default=100.0, help="a second")
    parser.add_argument("--seconds", type=int, default=10, help="how long so many a second")
    parser.add_argument("--rounds", type=int, default=3, help="how often both are measured")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--backend", action="store_true", help="with a result backend in Redis")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        bench.empty()
        bench.beat()
        worker = start(bench, given)
        bench.until(lambda: bench.value("select count(*) from heartbeat where role = 'worker'"))
        by_celery(bench, worker, 300, 0)
        by_ledger(bench, worker, 300, 0)
        compare(bench, worker, given)
        bench.stop_others()


if __name__ == "__main__":
    main()
