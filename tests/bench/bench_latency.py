"""Due until the first line of the kind: p50 and p99 at 1, 50 and 500 due times a second, 2 processes of 16 slots.

Then runs of priority 9 while every slot holds a call of 30 s.  fsync and synchronous_commit are on.
"""

from __future__ import annotations

import os
import threading
import time
from argparse import Namespace
from pathlib import Path

from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    percentile,
    say,
)

STAMPING, PAUSING = "tests.stamping", "tests.pausing"


def read(stamps: Path) -> list[float]:
    """Milliseconds from due until the kind's first line, of each run that has begun."""
    if not stamps.exists():
        return []
    lines = [line.split() for line in stamps.read_text().splitlines()]
    return [1000 * (float(began) - float(due)) for due, began in lines]


def at_a_rate(bench: BenchEnvironment, given: Namespace, rate: int, stamps: Path) -> None:
    bench.empty()
    stamps.unlink(missing_ok=True)
    bench.beat()
    bench.worker(given.processes, given.slots)
    # The first runs find processes that have not imported anything.
    bench.load(60, "interval '1 second'", "1 hour", STAMPING)
    bench.until(lambda: len(read(stamps)) == 60)
    bench.renew()
    stamps.unlink()
    number = rate * given.seconds
    bench.load(number, f"interval '3 seconds' + n * interval '{1 / rate} seconds'", "1 hour", STAMPING)
    bench.until(lambda: len(read(stamps)) >= number, within=given.seconds + 300, every=0.5)
    found = read(stamps)
    assert len(found) == number, f"{len(found)} of {number} ran"
    say(
        "latency",
        rate=rate,
        n=number,
        p50_ms=percentile(found, 0.5),
        p99_ms=percentile(found, 0.99),
        most_ms=max(found),
    )
    bench.stop_others()
    bench.stop_beats()


def running(bench: BenchEnvironment) -> int:
    return int(bench.value("select count(*) from batch where state = 'running'"))


def first_comes_first(bench: BenchEnvironment, given: Namespace, stamps: Path) -> None:
    """More calls of 30 s than there are slots; then one run of priority 9 after another."""
    bench.empty()
    stamps.unlink(missing_ok=True)
    bench.beat()
    bench.worker(given.processes, given.slots)
    total = given.processes * given.slots
    bench.load(total * 4, "interval '1 second'", "1 hour", PAUSING, options='{"seconds": 30}')
    bench.until(lambda: running(bench) >= min(total, 2) * 0.5, within=30)
    settled, until = -1, time.monotonic() + 20
    while (now := running(bench)) != settled and time.monotonic() < until:
        settled = now
        threading.Event().wait(2)
    for place in range(given.urgent):
        bench.sql.execute(
            "insert into schedule (name, task, at, priority) values (%s, %s, clock_timestamp(), 9)",
            (f"urgent-{place}", STAMPING),
        )
        bench.until(lambda place=place: len(read(stamps)) > place, within=120)  # type: ignore[misc]
    found = read(stamps)
    say(
        "latency_priority_9",
        slots=total,
        held=settled,
        n=len(found),
        p50_ms=percentile(found, 0.5),
        most_ms=max(found),
    )
    bench.stop_others()
    bench.stop_beats()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1, 50, 500], help="due times a second")
    parser.add_argument("--seconds", type=int, default=30, help="how long each rate lasts")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--slots", type=int, default=16, help="slots of a process")
    parser.add_argument("--urgent", type=int, default=10, help="runs of priority 9")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        stamps = bench.folder / "stamps"
        os.environ["WATCHKEEPER_X_STAMPS"] = str(stamps)
        bench.register_kinds()
        for rate in given.rates:
            at_a_rate(bench, given, rate, stamps)
        first_comes_first(bench, given, stamps)


if __name__ == "__main__":
    main()
