"""10,000 schedules of 60 s, evenly spread: how late are messages, is any missing or doubled?"""

from __future__ import annotations

import sys
import time

from tests.support.bench_environment import bench_environment, say


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    with bench_environment() as bench:
        for _ in range(2):
            # No worker runs here: a message is not looked for again, which would mark it anew.
            bench.beat(WATCHKEEPER_RESEND_AFTER_SECONDS="3600")
        bench.load(10_000, "interval '2 seconds' + n * interval '6 milliseconds'", "60 seconds")
        time.sleep(2)
        beat, server = bench.beats_cpu(), bench.postgres_cpu()
        time.sleep(seconds)
        beat, server = bench.beats_cpu() - beat, bench.postgres_cpu() - server
        bench.stop_beats()
        p50, p99, most = bench.sql.execute(
            "select percentile_cont(array[0.5, 0.99, 1.0]) within group (order by"
            " 1000 * extract(epoch from b.updated_at - r.due_at)) "
            " from run r join batch b on run_id = id"
        ).fetchall()[0][0]
        doubled, missing = bench.sql.execute(
            "select coalesce(sum(n - due), 0), coalesce(sum(span / 60 + 1 - due), 0) from ("
            " select count(*) as n, count(distinct due_at) as due,"
            " extract(epoch from max(due_at) - min(due_at)) as span from run group by schedule) s"
        ).fetchall()[0]
        say(
            "steady",
            n=bench.value("select count(*) from run"),
            schedules=bench.value("select count(distinct schedule) from run"),
            p50_ms=float(p50),
            p99_ms=float(p99),
            most_ms=float(most),
            beat_percent=100 * beat / seconds,
            postgres_percent=100 * server / seconds,
            doubled=int(doubled),
            missing=int(missing),
        )


if __name__ == "__main__":
    main()
