"""Our permits beside the moving window of the `limits` library: what each lets through at the upstream.

Eight hungry processes, at most 50 calls in any second; a call arrives after a one-way latency with a tail
(median 20 ms, at most 1 s) and its answer takes as long again.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import sys
import time
from datetime import timedelta
from typing import Any

from sandbox.upstreams.strict import worst
from tests.support.bench_environment import BenchEnvironment, bench_environment, say

PROCESSES, CALLS, SECONDS = 8, 50, 1.0
#: Longer than the longest way there and back.
LEASE = timedelta(seconds=3)


def one_way(rng: random.Random) -> float:
    return min(rng.lognormvariate(math.log(0.02), 1.0), 1.0)


def ours(number: int, ends: float, out: Any) -> None:
    from tests.support.permits import take_one
    from workers import db
    from workers.upstreams import permits
    from workers.upstreams.permits import Answered

    db.reset(close=False)
    rng = random.Random(number)
    arrivals: list[float] = []
    answered: list[Answered] = []
    with db.driver_connect() as connection:
        while time.monotonic() < ends:
            grant = take_one(connection, "bench", LEASE, answered=answered)
            answered = []
            if grant.id is None:
                time.sleep(min(grant.wait + 0.001, 0.05))
                continue
            time.sleep(one_way(rng))
            arrivals.append(time.monotonic())
            time.sleep(one_way(rng))
            answered = [Answered(grant.id, time.monotonic(), 200)]
        permits.settle(connection, answered)
    out.put(arrivals)


def theirs(number: int, ends: float, out: Any, url: str) -> None:
    from limits import RateLimitItemPerSecond
    from limits.storage import RedisStorage
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(RedisStorage(url))
    item = RateLimitItemPerSecond(CALLS, int(SECONDS))
    rng = random.Random(number)
    arrivals: list[float] = []
    while time.monotonic() < ends:
        if not limiter.hit(item, "bench"):
            time.sleep(0.005)
            continue
        time.sleep(one_way(rng))
        arrivals.append(time.monotonic())
        time.sleep(one_way(rng))
    out.put(arrivals)


def measure(what: str, target: Any, seconds: float, *more: Any) -> None:
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    ends = time.monotonic() + seconds
    workers = [
        context.Process(target=target, args=(number, ends, out, *more)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    arrivals = [at for _ in workers for at in out.get()]
    for worker in workers:
        worker.join()
    found = worst(arrivals, CALLS, SECONDS)
    span = max(arrivals) - min(arrivals)
    say(
        what,
        limit=f"{CALLS} in {SECONDS:g} s",
        calls=len(arrivals),
        calls_a_second=len(arrivals) / span,
        most_in_a_window_at_the_upstream=found.most,
        violations=found.violations,
    )


def prepare(bench: BenchEnvironment) -> None:
    bench.sql.execute("alter database watchkeeper set synchronous_commit = on")
    bench.sql.execute(
        "insert into upstream (name, base_url, concurrency) values ('bench', 'http://127.0.0.1:1', 100)"
    )
    bench.sql.execute(
        "insert into quota (upstream, per, calls) values ('bench', %s, %s)",
        (timedelta(seconds=SECONDS), CALLS),
    )


def main() -> None:
    seconds = 10.0 if "--quick" in sys.argv else 60.0
    with bench_environment() as bench:
        prepare(bench)
        measure("permits_settled_log", ours, seconds)
        measure("permits_limits_moving_window", theirs, seconds, bench.valkey.url)


if __name__ == "__main__":
    main()
