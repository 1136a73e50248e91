"""Schedules of 60 s, evenly spread: lateness and CPU of beat and Postgres at 167 and at 1,000 due times a second.

Then what a second beat adds, and the same with a worker that does the runs.  fsync and synchronous_commit are on.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from typing import Any

from tests.support.bench_environment import (
    KIND,
    PLAIN,
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    say,
    tree_cpu,
)

LATENESS = """
select percentile_cont(array[0.5, 0.99, 1.0]) within group (order by 1000 * extract(epoch from {at} - r.due_at))
  from run r join batch b on b.run_id = r.id where r.created_at > %s
"""
COUNTED = """
select coalesce(sum(n), 0), coalesce(sum(n - due), 0), coalesce(sum(span / 60 + 1 - due), 0)
  from (select count(*) as n, count(distinct due_at) as due,
               extract(epoch from max(due_at) - min(due_at)) as span
          from run where created_at > %s group by schedule) s
"""


def lateness(bench: BenchEnvironment, at: str) -> dict[str, float]:
    """From due until ``at``, in milliseconds."""
    found = bench.value(LATENESS.format(at=at), bench.since)
    return dict(zip(("p50_ms", "p99_ms", "most_ms"), map(float, found), strict=True))


def steady(
    bench: BenchEnvironment,
    rate: int,
    given: Namespace,
    *,
    beats: int = 1,
    worker: bool = False,
    task: str = KIND,
) -> dict[str, Any]:
    """``rate`` due times a second for a while; CPU in percent of a core."""
    bench.empty()
    for _ in range(beats):
        # Without a worker a message is not looked for again, which would mark it anew.
        bench.beat(**({} if worker else {"WATCHKEEPER_RESEND_AFTER_SECONDS": "3600"}))
    process = bench.worker(2, 16) if worker else None
    task = "tests.noop_kind" if worker else task
    bench.load(
        rate * 60, f"interval '3 seconds' + n * interval '{1 / rate} seconds'", "60 seconds", task
    )
    pause = threading.Event()
    pause.wait(5)
    before = (bench.beats_cpu(), bench.postgres_cpu(), tree_cpu(process.pid) if process else 0.0)
    pause.wait(given.seconds)
    after = (bench.beats_cpu(), bench.postgres_cpu(), tree_cpu(process.pid) if process else 0.0)
    bench.stop_beats()
    beat, postgres, work = (100 * (b - a) / given.seconds for a, b in zip(before, after, strict=True))
    number, doubled, missing = bench.sql.execute(COUNTED, (bench.since,)).fetchall()[0]
    late = lateness(bench, "b.started_at" if worker else "b.updated_at")
    bench.stop_others()
    found: dict[str, Any] = {"rate": rate, "beats": beats, "n": int(number), **late,
                             "beat_and_postgres_percent": beat + postgres, "beat_percent": beat,
                             "postgres_percent": postgres, "doubled": int(doubled), "missing": int(missing)}  # fmt: skip
    return {**found, "worker_percent": work} if worker else found


def plain_tasks(bench: BenchEnvironment, given: Namespace) -> None:
    """Plain Celery tasks, each a message of its own, beside a kind."""
    found = {task: steady(bench, given.rates[0], given, task=task) for task in (KIND, PLAIN)}
    for task, one in found.items():
        say("steady_task", task=task, **one)
    plain, kind = (found[task]["beat_and_postgres_percent"] for task in (PLAIN, KIND))
    say("steady_plain", times_the_cpu_of_a_kind=plain / kind)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "seconds", nargs="?", type=int, default=60, help="how long each part is measured"
    )
    parser.add_argument("--rates", type=int, nargs="+", default=[167, 1000], help="due times a second")
    parser.add_argument("--no-workers", action="store_true", help="leave out the part with a worker")
    parser.add_argument("--plain", action="store_true", help="only plain tasks against a kind")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        bench.register_kinds()
        if given.plain:
            plain_tasks(bench, given)
            return
        for rate in given.rates:
            say("steady", **steady(bench, rate, given))
        plain_tasks(bench, given)
        one = steady(bench, given.rates[0], given)
        two = steady(bench, given.rates[0], given, beats=2)
        more = two["beat_and_postgres_percent"] - one["beat_and_postgres_percent"]
        say("steady_second_beat", **two, points_more=more)
        if not given.no_workers:
            say("steady_workers", **steady(bench, given.rates[0], given, worker=True))


if __name__ == "__main__":
    main()
