"""1,000 calls in flight to 500 upstreams from 2 cores: memory, what the upstreams saw, and what was settled.

Each upstream takes two calls at once and three in any eight seconds, of four that it gets; a call takes four
seconds.  Violations are counted from the upstreams' own arrival times; fsync and synchronous_commit are on.
"""

from __future__ import annotations

import os
from argparse import Namespace
from bisect import bisect_right
from typing import Any

from tests.support.bench_environment import BenchEnvironment, arguments, bench_environment, parse, say
from tests.support.bench_threads import Fleet, Shops, new_runs, watched

CONCURRENCY, CALLS, WINDOW = 2, 3, 8.0


def add_upstreams(bench: BenchEnvironment, shops: Shops, number: int) -> None:
    bench.sql.execute(
        "insert into upstream (name, base_url, concurrency) select 'u' || n, %s || '/u' || n, %s"
        " from generate_series(1, %s) n",
        (shops.url, CONCURRENCY, number),
    )
    bench.sql.execute(
        "insert into quota (upstream, per, calls) select 'u' || n, make_interval(secs => %s), %s"
        " from generate_series(1, %s) n",
        (WINDOW, CALLS, number),
    )


def violations(seen: dict[str, Any]) -> int:
    """Calls over a limit, as the upstreams count."""
    found = sum(most > CONCURRENCY for most in seen["most_of"].values())
    for came in seen["came"].values():
        for nth, at in enumerate(came):
            found += nth + 1 - bisect_right(came, at - WINDOW, 0, nth) > CALLS
    return found


def measure(bench: BenchEnvironment, given: Namespace) -> None:
    shops = Shops(bench, given.seconds, 1)
    add_upstreams(bench, shops, given.upstreams)
    calls = [
        {"items": 1, "timeout": 60, "upstream": f"u{1 + nth % given.upstreams}"}
        for nth in range(given.calls)
    ]
    # Without beat nobody would take up what was handed back: it is waited for here.
    os.environ["WATCHKEEPER_QUOTA_WAIT_SECONDS"] = "10"
    ids = new_runs(bench, "tests.calling", "upkeep", calls)
    fleet = Fleet("tests.support.kinds", "tests.calling", ids, given.processes, given.slots)
    try:
        shops.seen()
        own, server = fleet.cpu(), bench.postgres_cpu()
        with watched(fleet) as memory:
            seconds = fleet.work()
        own, server = fleet.cpu() - own, bench.postgres_cpu() - server
    finally:
        fleet.stop()
    seen = shops.seen()
    ended, granted, settled = bench.sql.execute(
        "select (select count(*) from run where state = 'succeeded'), count(*), count(*) filter (where settled)"
        " from permit"
    ).fetchall()[0]
    say(
        "in_flight",
        processes=given.processes,
        slots=given.slots,
        upstreams=given.upstreams,
        calls=len(calls),
        most_in_flight=seen["most"],
        memory_mib=memory[0],
        violations=violations(seen),
        served=seen["served"],
        succeeded=ended,
        granted=granted,
        unsettled=granted - settled,
        seconds=seconds,
        process_ms=1000 * own / len(calls),
        postgres_ms=1000 * server / len(calls),
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--upstreams", type=int, default=500)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long a call takes")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--slots", type=int, default=128, help="threads of a process")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        from tests.support.runs import EFFECT

        bench.register_kinds()
        bench.sql.execute(EFFECT)
        measure(bench, given)


if __name__ == "__main__":
    main()
