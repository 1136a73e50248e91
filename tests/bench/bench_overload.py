"""Twice the work that two processes can do, for ten minutes: edits, ticks, the oldest work, and the end of it.

First the capacity is measured with a burst.  Then schedules ask for twice of it; each run expires after 30 s.
Every second one schedule is edited, and the time until the edit is in force counts.  At last no more comes due,
and what is left must be worked off at the full rate.  fsync and synchronous_commit are on.
"""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from typing import Any

from bench_runs import cpu_figures, finished, measure, used, warm

from sandbox.processes import Process
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    percentile,
    say,
)

TASK = "tests.noop_kind"
EXPIRES = 30
OLDEST = """
select coalesce(extract(epoch from clock_timestamp() - min(r.due_at)), 0)::float8
  from run r where r.state = 'due' and r.created_at > %s
"""

#: Due times that no beat has claimed yet are late, too.
UNCLAIMED = "select coalesce(extract(epoch from clock_timestamp() - min(claim_at)), 0)::float8 from schedule_state"


def succeeded(bench: BenchEnvironment) -> int:
    return int(bench.value("select count(*) from run where state = 'succeeded'"))


def edit_ms(bench: BenchEnvironment, place: int) -> float:
    """An edit by SQL until beat has planned the row anew."""
    name = f"s-{1 + place % 50}"
    began = time.monotonic()
    bench.sql.execute("update schedule set note = %s where name = %s", (str(place), name))
    bench.until(
        lambda: bench.value(
            "select planned_revision = revision from schedule_state join schedule s on s.name = schedule"
            " where schedule = %s", name,
        ),
        every=0.005,
    )  # fmt: skip
    return 1000 * (time.monotonic() - began)


def minute(bench: BenchEnvironment, worker: Process, place: int) -> dict[str, Any]:
    """One minute of too much work."""
    before, done, worked = used(bench, worker), finished(bench), succeeded(bench)
    edits, oldest, unclaimed, until = [], [], [], time.monotonic() + 60
    pause = threading.Event()
    while time.monotonic() < until:
        edits.append(edit_ms(bench, place * 60 + len(edits)))
        oldest.append(bench.value(OLDEST, bench.since))
        unclaimed.append(bench.value(UNCLAIMED))
        pause.wait(1)
    runs = finished(bench) - done
    return {
        "minute": place,
        "ended_a_second": runs / 60,
        "succeeded_a_second": (succeeded(bench) - worked) / 60,
        "edit_p50_ms": percentile(edits, 0.5),
        "edit_most_ms": max(edits),
        "oldest_due_s": max(oldest),
        "oldest_unclaimed_s": max(unclaimed),
        **cpu_figures(before, used(bench, worker), max(runs, 1)),
    }


def overload(bench: BenchEnvironment, given: Namespace) -> None:
    bench.empty()
    bench.beat()
    worker = bench.worker(2, 16)
    warm(bench, worker)
    capacity = measure(bench, worker, TASK, given.burst)["runs_a_second"]
    rate = int(2 * capacity)
    say("overload_capacity", runs_a_second=capacity, asked_a_second=rate)
    bench.renew()
    bench.load(rate * 60, f"interval '3 seconds' + n * interval '{1 / rate} seconds'", "60 seconds", TASK,
               expires=f"{EXPIRES} seconds")  # fmt: skip
    threading.Event().wait(5)
    for place in range(given.minutes):
        say("overload", **minute(bench, worker, place))
    drain(bench, capacity)
    bench.stop_others()
    bench.stop_beats()


def drain(bench: BenchEnvironment, capacity: float) -> None:
    """Nothing more comes due."""
    bench.sql.execute("update pause_switch set paused = true, note = 'the bench drains'")
    began = time.monotonic()
    left = int(bench.value("select count(*) from run where finished_at is null"))
    done = succeeded(bench)
    bench.until(lambda: not bench.value("select exists (select from run where finished_at is null)"),
                within=600, every=0.1)  # fmt: skip
    took = time.monotonic() - began
    ended = succeeded(bench) - done
    states = {
        f"runs_{state}": number
        for state, number in bench.sql.execute(
            "select state, count(*) from run where created_at > %s group by state", (bench.since,)
        )
    }
    unexplained = bench.value("select count(*) from run where state = 'expired' and reason is null")
    say("overload_drained", left=left, seconds=took, succeeded_a_second=ended / took, capacity=capacity,
        **states, expired_without_reason=unexplained)  # fmt: skip
    bench.sql.execute("update pause_switch set paused = false")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("minutes", nargs="?", type=int, default=10, help="how long it is too much")
    parser.add_argument(
        "--burst", type=int, default=3_000, help="runs that the capacity is measured by"
    )
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        bench.register_kinds()
        overload(bench, given)


if __name__ == "__main__":
    main()
