"""Exactly once, at full size: nothing missing and nothing doubled, whatever is killed.

Two beats and 1,000 schedules of 5 s for a minute, undisturbed; the same while one beat is killed with
-9 every 10 s; then 200 beats killed one after the other at each step between claim and mark of 5,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, say

WRONG = """
select coalesce(sum(n), 0), count(*), coalesce(sum(n - due), 0), coalesce(sum(span / 5 + 1 - due), 0)
  from (select count(*) as n, count(distinct due_at) as due,
               extract(epoch from max(due_at) - min(due_at)) as span from run group by schedule) s
"""


def minute(bench: BenchEnvironment, seconds: int, *, kill: bool) -> None:
    bench.empty()
    _, victim = bench.beat(), bench.beat()
    bench.load(1_000, "interval '1 second'", "5 seconds")
    until = time.monotonic() + seconds
    killed = 0
    while time.monotonic() < until:
        time.sleep(min(10.0, max(0.0, until - time.monotonic())))
        if kill and time.monotonic() < until:
            victim.kill()
            victim.start()
            killed += 1
    # What a killed beat had reserved is sent by the other after five seconds.
    time.sleep(7)
    bench.stop_beats()
    runs, schedules, doubled, missing = bench.sql.execute(WRONG).fetchall()[0]
    unsent = bench.value(
        "select count(*) from batch where state = 'waiting' and send_at < now() - interval '7 s'"
    )
    say(
        "exact",
        kills=killed,
        schedules=schedules,
        runs=int(runs),
        doubled=int(doubled),
        missing=int(missing),
        unsent=unsent,
    )


def steps(bench: BenchEnvironment, kills: int) -> None:
    bench.empty()
    bench.load(25 * kills, "interval '0'", "1 day")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_beats", str(kills)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "WATCHKEEPER_CLAIM_LIMIT": "25"},
    )
    runs, schedules, doubled, _ = bench.sql.execute(WRONG).fetchall()[0]
    say(
        "exact_steps",
        kills=int(done.stdout.split()[-1]),
        schedules=schedules,
        runs=int(runs),
        doubled=int(doubled),
        missing=25 * kills - int(schedules),
        unsent=bench.value("select count(*) from batch where state = 'waiting'"),
    )


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with bench_environment() as bench:
        steps(bench, 200)
        minute(bench, seconds, kill=False)
        minute(bench, seconds, kill=True)


if __name__ == "__main__":
    main()
