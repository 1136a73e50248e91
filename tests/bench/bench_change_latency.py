"""From a committed raw UPDATE to planned, and to published when due: 10,000 schedules, two beats.

Quiet, with another session's open transaction on a third row; during a burst of 10,000; and in bulk.
"""

from __future__ import annotations

import sys
import time

import psycopg

from tests.support.bench_environment import BenchEnvironment, bench_environment, percentile, say

PLANNED = """
select st.planned_revision = s.revision from schedule s join schedule_state st on st.schedule = s.name
 where s.name = %s
"""

SENT = """
select count(*) from run join batch on run_id = id where schedule = %s and batch.state = 'sent'
"""


def edits(bench: BenchEnvironment, number: int, first: int) -> list[float]:
    """Milliseconds from each commit until its plan is committed."""
    took = []
    for n in range(first, first + number):
        name = f"s-{n}"
        bench.sql.execute(
            "update schedule set every = every + interval '1 minute' where name = %s", (name,)
        )
        began = time.perf_counter()
        bench.until(lambda name=name: bench.value(PLANNED, name), every=0.0005)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    return took


def starts(bench: BenchEnvironment, number: int, first: int) -> list[float]:
    """Milliseconds from a commit that makes a schedule due at once until its message is out."""
    took = []
    for n in range(first, first + number):
        name = f"new-{n}"
        bench.sql.execute(
            "insert into schedule (name, task, every) values (%s, 'tests.noop', '1 day')", (name,)
        )
        began = time.perf_counter()
        bench.until(lambda name=name: bench.value(SENT, name), every=0.0005)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    return took


def report(bench: str, took: list[float]) -> None:
    say(
        bench,
        n=len(took),
        p50_ms=percentile(took, 0.5),
        p99_ms=percentile(took, 0.99),
        most_ms=max(took),
    )


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with bench_environment() as bench:
        bench.load(10_000, "interval '1 hour'")
        for _ in range(2):
            bench.beat()
        with psycopg.connect(bench.postgres.url()) as other:
            other.execute("update schedule set note = 'at lunch' where name = 's-10000'")
            report("change_latency", edits(bench, number, 1))
            report("change_to_message", starts(bench, number, 1))
            other.rollback()
        bench.sql.execute(
            "update schedule_state set claim_at = clock_timestamp(), next_run_at = clock_timestamp()"
        )
        busy = []
        n = 1
        while bench.value(
            "select exists (select from schedule_state where claim_at <= clock_timestamp())"
        ):
            busy += edits(bench, 1, 5_000 + n)
            n += 1
        report("change_latency_in_burst", busy)
        bench.sql.execute("update schedule set every = every + interval '1 minute'")
        began = time.perf_counter()
        left = (
            "select exists (select from schedule s join schedule_state st on st.schedule = s.name"
            " where st.planned_revision <> s.revision)"
        )
        bench.until(lambda: not bench.value(left))
        say("bulk_edit", n=10_000, seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
