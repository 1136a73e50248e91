"""Waiting work costs nothing: a worker's memory with 20,000 waiting batches; a million of them in beat's way.

Half a million wait for an upstream that is shut, half a million for their time.  Then 100,000 become due at
once and four beats take them: how fast, and none twice.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg

from sandbox.processes import Process
from tests.support.bench_environment import (
    ROOT,
    BenchEnvironment,
    bench_environment,
    percentile,
    resident_mib,
    say,
)

BEATS = 4


def fill(bench: BenchEnvironment, number: int, *, waiting_for: str | None) -> None:
    """``number`` batches, a hundred a run, that wait for an upstream, or for next year."""
    bench.sql.execute(
        "with made as (insert into run (id, task, trigger, due_at, state, queue, open_batches)"
        " select gen_random_uuid(), 'tests.noop', 'manual', now(), 'running', 'upkeep', 100"
        "   from generate_series(1, %s) returning id)"
        " insert into batch (run_id, seq, task, queue, items, total, waiting_for, send_at, not_before)"
        " select id, n, 'tests.noop', 'upkeep', '[{\"key\": \"i\"}]', 1, %s,"
        "        case when %s::text is null then now() + interval '1 year' end,"
        "        case when %s::text is null then now() + interval '1 year' end"
        "   from made, generate_series(1, 100) n",
        (number // 100, waiting_for, waiting_for, waiting_for),
    )


def memory(bench: BenchEnvironment) -> None:
    """A worker's memory before and after."""
    worker = Process(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "upkeep", "-n", "w@bench",
         "--autoscale=8,1", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"],
        log=bench.folder / "worker.log", cwd=ROOT,
    )  # fmt: skip
    worker.start()
    bench.until(lambda: bench.value("select count(*) from heartbeat where role = 'worker'"))
    time.sleep(4)
    before = resident_mib(worker.pid)
    fill(bench, 20_000, waiting_for="shut")
    time.sleep(6)
    after = resident_mib(worker.pid)
    processes = bench.value("select (detail ->> 'processes')::int from heartbeat where role = 'worker'")
    say("waiting_20000", worker_mib_before=before, worker_mib_after=after, processes=processes)
    worker.stop()


def timed(connection: Any, statement: str, parameters: dict[str, Any]) -> float:
    """Milliseconds of one execution; nothing is due, so that it changes nothing."""
    began = time.perf_counter()
    connection.execute(statement, parameters).fetchall()
    return 1000 * (time.perf_counter() - began)


def due_checks(bench: BenchEnvironment) -> None:
    """What beat and the autoscaler ask again and again while nothing is due."""
    from workers.db import driver_connect
    from workers.ledger import sent, waiting
    from workers.pool import demand

    now = bench.value("select now()")
    asked = {
        "next_send": (sent.NEXT_SEND, {"low_send": None}),
        "to_send": (sent.ANNOUNCE, {"now": now, "limit": 250, "low": None}),
        "next_permit": (waiting.NEXT_PERMIT, {}),
        "upstreams": (waiting.UPSTREAMS, {"now": now}),
        "hopeless": (waiting.BLOCKED, {"now": now, "long": timedelta(hours=1)}),
    }
    figures = {}
    for name, (statement, parameters) in asked.items():
        times = [timed(bench.sql, statement, parameters) for _ in range(200)][20:]
        figures[f"{name}_p50_ms"] = percentile(times, 0.5)
        figures[f"{name}_p99_ms"] = percentile(times, 0.99)
    times = []
    for _ in range(200):
        with driver_connect() as connection:
            began = time.perf_counter()
            demand.read(connection, "w@bench", ["upkeep"], 8)
            times.append(1000 * (time.perf_counter() - began))
    figures["autoscaler_p50_ms"] = percentile(times, 0.5)
    say("waiting_due_checks", batches=bench.value("select count(*) from batch"), **figures)


def take(url: str, now: Any, begin: float, out: Any) -> None:
    """One beat: reserve what is due until nothing is."""
    from workers.ledger import sent

    taken: list[tuple[str, int]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        time.sleep(max(0.0, begin - time.monotonic()))
        while rows := connection.execute(
            sent.ANNOUNCE, {"now": now, "limit": 1000, "low": None}
        ).fetchall():
            taken += [(row[0], row[1]) for row in rows]
    out.put((taken, time.monotonic()))


def release(bench: BenchEnvironment, number: int) -> None:
    bench.sql.execute(
        "update batch set send_at = now() - interval '1 second', not_before = null where ctid in"
        " (select ctid from batch where state = 'waiting' and send_at is not null limit %s)", (number,)
    )  # fmt: skip
    bench.sql.execute("vacuum analyze batch")
    now = bench.value("select now()")
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    begin = time.monotonic() + 1.0
    beats = [
        context.Process(target=take, args=(bench.postgres.login("service"), now, begin, out))
        for _ in range(BEATS)
    ]
    for beat in beats:
        beat.start()
    results = [out.get() for _ in beats]
    for beat in beats:
        beat.join()
    taken = Counter(one for rows, _ in results for one in rows)
    took = max(end for _, end in results) - begin
    say(
        "waiting_release", beats=BEATS, due=number, released=len(taken), rows_a_second=len(taken) / took,
        claimed_twice=sum(times - 1 for times in taken.values()),
    )  # fmt: skip


def main() -> None:
    million = 100_000 if "--quick" in sys.argv else 1_000_000
    with bench_environment() as bench:
        bench.sql.execute("insert into upstream (name, base_url) values ('shut', 'http://127.0.0.1:1')")
        bench.sql.execute(
            "update upstream_state set next_permit_at = '2199-01-01' where upstream = 'shut'"
        )
        memory(bench)
        fill(bench, million // 2, waiting_for="shut")
        fill(bench, million // 2, waiting_for=None)
        bench.sql.execute("vacuum analyze batch")
        due_checks(bench)
        release(bench, million // 10)


if __name__ == "__main__":
    main()
