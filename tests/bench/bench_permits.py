"""Permits a second: over 50 upstreams, and on one whose window of a minute fills; 8 processes.

Each process settles its last call and takes the next permit in one statement, as the client does.
``--quick`` measures a few seconds of each instead of a minute.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from datetime import timedelta
from typing import Any

from tests.support.bench_environment import bench_environment, percentile, say

PROCESSES = 8
LEASE = timedelta(seconds=31)


def hammer(number: int, names: list[str], ready: Any, seconds: float, pace: float, out: Any) -> None:
    """Take permits until the time is over, at most ``pace`` a second (0: as fast as can be)."""
    from tests.support.permits import take_one
    from workers.db import driver_connect
    from workers.upstreams.permits import Answered

    answered: list[Answered] = []
    took: list[tuple[float, float]] = []
    denied = 0
    with driver_connect() as connection:
        connection.execute("select 1")
        ready.wait()
        begin = time.monotonic()
        turn = 0
        while (at := time.monotonic()) < begin + seconds:
            name = names[(number + turn * PROCESSES) % len(names)]
            turn += 1
            grant = take_one(connection, name, LEASE, path="/bench", answered=answered)
            now = time.monotonic()
            took.append((at - begin, now - at))
            answered = [Answered(grant.id, now, 200)] if grant.id else []
            denied += grant.id is None
            if pace:
                time.sleep(max(0.0, begin + turn / pace - now))
    out.put((took, denied))


def measure(bench: Any, what: str, upstreams: int, calls: int, seconds: float, pace: float) -> None:
    bench.sql.execute("delete from permit; delete from upstream where name like 'bench%'")
    bench.sql.execute(
        "insert into upstream (name, base_url, concurrency)"
        " select 'bench' || n, 'http://127.0.0.1:1', 100 from generate_series(1, %s) n",
        (upstreams,),
    )
    bench.sql.execute(
        "insert into quota (upstream, per, calls) select name, per, case per when '1 minute' then %s"
        " else 10000000 end from upstream, unnest(array['1 minute', '1 day']::interval[]) per"
        " where name like 'bench%%'",
        (calls,),
    )
    names = [f"bench{n}" for n in range(1, upstreams + 1)]
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    ready = context.Barrier(PROCESSES)
    workers = [
        context.Process(target=hammer, args=(n, names, ready, seconds, pace / PROCESSES, out))
        for n in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    results = [out.get() for _ in workers]
    for worker in workers:
        worker.join()
    took = [each for each, _ in results]
    every = [cost for each in took for _, cost in each]
    last = [cost for each in took for at, cost in each if at > seconds * 0.8]
    say(
        what,
        seconds=seconds,
        upstreams=upstreams,
        limit_a_minute=calls,
        permits_a_second=(len(every) - sum(denied for _, denied in results)) / seconds,
        asked_a_second_in_the_last_fifth=len(last) / (seconds * 0.2),
        denied=sum(denied for _, denied in results),
        p50_ms=1000 * percentile(every, 0.5),
        p99_ms=1000 * percentile(every, 0.99),
        p99_ms_in_the_last_fifth=1000 * percentile(last, 0.99),
    )


def main() -> None:
    seconds = 6.0 if "--quick" in sys.argv else 60.0
    with bench_environment() as bench:
        # What is granted must outlive a crash; the bench's own server would not wait for that.
        bench.sql.execute("alter database watchkeeper set synchronous_commit = on")
        measure(bench, "permits_many_upstreams", 50, 6_000, seconds, 0)
        measure(bench, "permits_many_upstreams_paced", 50, 6_000, seconds, 1000)
        measure(bench, "permits_one_upstream", 1, 30_000, seconds, 0)
        measure(bench, "permits_one_upstream_paced", 1, 30_000, seconds, 300)


if __name__ == "__main__":
    main()
