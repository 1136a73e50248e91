"""Costs on a small database and on one with much history: tick, run, permit, views; and beside an old snapshot.

1 M runs and 5 M permits; ``--large`` 20 M and 100 M (an hour, 35 GB).  Each figure is printed for the small
and the large database with their ratio.  ``--snapshot MINUTES`` holds a snapshot open while 200 runs a second
come due, and prints what a run costs in each minute.  fsync and synchronous_commit are on.
"""

from __future__ import annotations

import statistics
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
from bench_profile import with_statements
from bench_runs import cpu_figures, finished, measure, used, warm

from tests.support import bench_history_fill
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    percentile,
    say,
)

VIEWS = ("schedule_status", "running_now", "recent_runs", "recent_failures", "quota_status",
         "queue_status", "health", "recent_changes", "trouble", "status_bar")  # fmt: skip
TASK = "tests.noop_kind"
#: Runs of the small database, permits of the small database.
SMALL = (10_000, 50_000)
RATE = 200
#: What the logins of beat and workers asked for since the last reset: it does not depend on the machine's load.
#: The text of a statement is its normalized one only if it was planned since then.
COUNTS = """
select queryid, regexp_replace(min(query), '\\s+', ' ', 'g'), sum(calls)::float8,
       sum(shared_blks_hit + shared_blks_read)::float8, sum(wal_records)::float8,
       sum(total_exec_time + total_plan_time)
  from pg_stat_statements where userid = 'watchkeeper_service'::regrole
   and dbid = (select oid from pg_database where datname = current_database())
 group by queryid
"""


def least_ms(act: Callable[[], Any], times: int) -> float:
    """Milliseconds that ``act`` takes by the clock, when nobody else is in its way: the tenth percentile."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return 1000 * percentile(took, 0.1)


class Counts:
    """Statements, pages and records of WAL since it was made, of beat and workers alone."""

    def __init__(self, bench: BenchEnvironment) -> None:
        self._bench = bench
        bench.sql.execute("select pg_stat_statements_reset()")

    def each(self, what: str, number: int) -> dict[str, float]:
        """So much for each of ``number``, and pages by statement."""
        rows = self._bench.sql.execute(COUNTS).fetchall()
        sums = {
            name: sum(row[place] for row in rows)
            for place, name in enumerate(("statements", "pages", "wal_records"), 2)
        }
        PAGES[what] = {
            key: Asked(text, pages / number, ms / number) for key, text, _, pages, _, ms in rows
        }
        return {f"{name}_a_{what}": value / number for name, value in sums.items()}


class Asked(NamedTuple):
    """A statement, with its pages and milliseconds by the clock for each run or tick."""

    text: str
    pages: float = 0.0
    ms: float = 0.0


#: As counted last, by the number that Postgres gives a statement.
PAGES: dict[str, dict[int, Asked]] = {}


def say_grown(small: dict[str, dict[int, Asked]], large: dict[str, dict[int, Asked]]) -> None:
    """Statements that read more pages on the large database."""
    for what, after in large.items():
        pairs = [(one, small[what].get(key, Asked(one.text))) for key, one in after.items()]
        for one, before in sorted(pairs, key=lambda pair: pair[1].pages - pair[0].pages)[:8]:
            say(
                "history_grown",
                each=what,
                statement=one.text[:150],
                pages=one.pages,
                more=one.pages - before.pages,
                ms=one.ms,
                more_ms=one.ms - before.ms,
            )


def idle_tick(bench: BenchEnvironment) -> dict[str, float]:
    """An idle tick of a beat in this process."""
    from beat.scheduler import DatabaseScheduler
    from workers.app import app

    scheduler = DatabaseScheduler(app=app)
    for _ in range(20):
        scheduler.work()
    counts = Counts(bench)
    took = least_ms(scheduler.work, 200)
    found = counts.each("tick", 200)
    scheduler.close()
    return {"idle_tick_ms": took, **found}


def permits(bench: BenchEnvironment, number: int = 1000) -> dict[str, float]:
    """A permit with the settling of the one before, of an upstream that has a part of the history."""
    from tests.support.permits import take_one
    from workers.db import driver_connect
    from workers.upstreams.permits import Answered, settle

    name = "old_1"
    bench.sql.execute(
        "insert into upstream (name, base_url) values (%s, 'http://127.0.0.1:1') on conflict do nothing",
        (name,),
    )
    bench.sql.execute("update upstream set concurrency = 8 where name = %s", (name,))
    bench.sql.execute("delete from quota where upstream = %s", (name,))
    bench.sql.execute(
        "insert into quota (upstream, per, calls) values (%(name)s, '1 second', 100000),"
        " (%(name)s, '1 day', 10000000), (%(name)s, '31 days', 100000000)",
        {"name": name},
    )
    lease = timedelta(seconds=31)
    with driver_connect() as connection:

        def one() -> None:
            grant = take_one(connection, name, lease, path="/bench")
            assert grant.id is not None, grant
            settle(connection, [Answered(grant.id, time.monotonic(), 200)])

        for _ in range(20):
            one()
        while bench.value("select total_permits()"):
            pass
        counts = Counts(bench)
        wall = least_ms(one, number)
        return {"permit_ms": wall, **counts.each("permit", number)}


def views(bench: BenchEnvironment) -> dict[str, float]:
    return {
        f"view_{name}_ms": least_ms(
            lambda name=name: bench.sql.execute(f"select * from {name} limit 50").fetchall(),  # type: ignore[misc]
            9,
        )
        for name in VIEWS
        if bench.value("select to_regclass(%s)", name)
    }


def costs(bench: BenchEnvironment, runs: int) -> dict[str, float]:
    """What things cost on the database as it is; four times, and the best counts: others use this machine.

    After 20 M runs were filled in, pages are written and read for minutes.
    """
    bench.sql.execute("vacuum analyze")
    bench.sql.execute("checkpoint")
    found = [_costs(bench, runs) for _ in range(4)]
    return {name: min(one[name] for one in found) for name in found[0]}


def _costs(bench: BenchEnvironment, runs: int) -> dict[str, float]:
    bench.empty()
    figures = {**idle_tick(bench), **permits(bench), **views(bench)}
    bench.beat()
    worker = bench.worker(2, 16)
    warm(bench, worker)
    counts = Counts(bench)
    made = measure(bench, worker, TASK, runs)
    figures |= counts.each("run", runs)
    bench.stop_others()
    bench.stop_beats()
    return {
        **figures,
        **{
            f"run_{name}": made[name]
            for name in ("cpu_ms_a_run", "beat_ms", "worker_ms", "postgres_ms")
        },
    }


def compare(bench: BenchEnvironment, runs: int, permits_: int, measured: int) -> None:
    """The same figures on the small and on the large database."""
    fill(bench, *SMALL)
    small = costs(bench, measured)
    before = dict(PAGES)
    say("history_small", runs=SMALL[0], permits=SMALL[1], **small)
    began = time.monotonic()
    fill(bench, runs - SMALL[0], permits_ - SMALL[1])
    say(
        "history_filled", runs=runs, permits=permits_, seconds=time.monotonic() - began, gib=size(bench)
    )
    large = costs(bench, measured)
    say("history_large", runs=runs, permits=permits_, **large)
    say_grown(before, PAGES)
    ratios = {name: large[name] / small[name] for name in small if small[name] > 0}
    worst = max(ratios, key=lambda name: ratios[name])
    say(
        "history_ratio",
        **ratios,
        worst=worst,
        within_a_fifth=all(one <= 1.2 for one in ratios.values()),
    )


def fill(bench: BenchEnvironment, runs: int, permits_: int) -> None:
    bench_history_fill.fill(bench.sql, runs, permits_, TASK)
    bench.keep_history()


def size(bench: BenchEnvironment) -> float:
    return float(bench.value("select pg_database_size(current_database()) / 2.0 ^ 30"))


class Snapshot:
    """A transaction that sees the database as it was when it began, as a long report would."""

    def __init__(self, bench: BenchEnvironment) -> None:
        self._connection = psycopg.connect(bench.postgres.url())
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.execute("select count(*) from schedule")

    def close(self) -> None:
        self._connection.rollback()
        self._connection.close()


def beside_a_snapshot(bench: BenchEnvironment, given: Namespace) -> None:
    """What a run costs in each minute while a snapshot is open, beside the minute before it was opened."""
    bench.empty()
    bench.beat()
    worker = bench.worker(2, 16)
    warm(bench, worker)
    bench.renew()
    bench.load(
        given.rate * 60, f"interval '2 s' + n * interval '{1 / given.rate} s'", "60 seconds", TASK
    )
    pause = threading.Event()
    pause.wait(32)
    snapshot = None
    first: dict[str, float] = {}
    pages: dict[str, dict[int, Asked]] = {}
    for minute in range(given.snapshot + 1):
        before, done, counts = used(bench, worker), finished(bench), Counts(bench)
        pause.wait(60)
        runs = max(finished(bench) - done, 1)
        found = {
            **cpu_figures(before, used(bench, worker), runs),
            **counts.each("run", runs),
            "question_ms": statistics.median(tick_question(bench) for _ in range(20)),
            **permits(bench, 200),
        }
        say(
            "history_snapshot",
            minute=minute,
            held=snapshot is not None,
            runs_a_second=runs / 60,
            **found,
        )
        if not first:
            first, pages = found, {"run": PAGES["run"]}
        if snapshot is None:
            snapshot = Snapshot(bench)
    ratios = {name: found[name] / first[name] for name in first if first[name] > 0}
    say("history_snapshot_ratio", minutes=given.snapshot, **ratios)
    say_grown(pages, {"run": PAGES["run"]})
    if snapshot is not None:
        snapshot.close()
    bench.stop_others()
    bench.stop_beats()


def tick_question(bench: BenchEnvironment) -> float:
    """Beat's question for what is ready, on a connection that plans as beat's does."""
    from beat.tick import readiness
    from workers.connections.postgres import FAVOUR_INDEXES

    with psycopg.connect(bench.postgres.login("service"), autocommit=True) as connection:
        connection.execute(FAVOUR_INDEXES)
        marks = readiness.Marks()
        readiness.ask(connection, marks=marks)
        return least_ms(lambda: readiness.ask(connection, marks=marks), 5)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs of the large database")
    parser.add_argument("--permits", type=int, default=5_000_000, help="permits of the large database")
    parser.add_argument("--large", action="store_true", help="20 M runs and 100 M permits: an hour")
    parser.add_argument("--measured", type=int, default=3_000, help="runs that a figure is taken from")
    parser.add_argument(
        "--snapshot", type=int, metavar="MINUTES", help="only beside a snapshot held so long"
    )
    parser.add_argument("--rate", type=int, default=RATE, help="runs a second beside the snapshot")
    given = parse(parser)
    if given.large:
        given.runs, given.permits = 20_000_000, 100_000_000
    with bench_environment(durable=True) as bench:
        with_statements(bench)
        bench.register_kinds()
        if given.snapshot is not None:
            beside_a_snapshot(bench, given)
        else:
            compare(bench, given.runs, given.permits, given.measured)


if __name__ == "__main__":
    main()
