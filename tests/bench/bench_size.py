"""How far it goes: what a run costs each part in CPU, memory and disk, at a tenth of the largest size.

The table in docs/capacity.md multiplies these: its last row is ten times this.  Schedules of 60 s, evenly
spread, whose runs end at once; fsync and synchronous_commit are on.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from typing import Any

from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    pss_mib,
    say,
    tree,
    tree_cpu,
)

LATE = """
select percentile_cont(array[0.5, 0.99]) within group (order by 1000 * extract(epoch from b.started_at - r.due_at))
  from run r join batch b on b.run_id = r.id where r.created_at > %s
"""
ENDED = """
select count(*) filter (where state = 'succeeded'), count(*) - count(distinct (schedule, due_at)) from run
 where created_at > %s
"""


def disk(bench: BenchEnvironment) -> tuple[int, int]:
    """Bytes of the database, and of WAL that was ever written."""
    bench.sql.execute("vacuum")
    return (
        int(bench.value("select pg_database_size(current_database())")),
        int(bench.value("select pg_current_wal_lsn() - '0/0'")),
    )


def measured(bench: BenchEnvironment, given: Namespace) -> dict[str, Any]:
    rate = given.rate
    bench.empty()
    beat, worker = bench.beat(), bench.worker(2, 16)
    bench.load(
        rate * 60,
        f"interval '3 seconds' + n * interval '{1 / rate} seconds'",
        "60 seconds",
        "tests.noop_kind",
    )
    parts = {"beat": beat, "worker": worker}
    pause = threading.Event()
    pause.wait(10)
    size, wal = disk(bench)
    began = bench.value("select clock_timestamp()")
    before = {name: tree_cpu(part.pid) for name, part in parts.items()}
    postgres = bench.postgres_cpu()
    pause.wait(given.seconds)
    cpu = {name: tree_cpu(part.pid) - before[name] for name, part in parts.items()}
    cpu["postgres"] = bench.postgres_cpu() - postgres
    number, twice = bench.sql.execute(ENDED, (began,)).fetchall()[0]
    late = list(map(float, bench.value(LATE, began)))
    grown, written = (now - then for now, then in zip(disk(bench), (size, wal), strict=True))
    assert bench.postgres.process is not None
    memory = {name: pss_mib(tree(part.pid)) for name, part in parts.items()}
    memory["postgres"] = pss_mib(tree(bench.postgres.process.pid))
    bench.stop_beats()
    bench.stop_others()
    return {
        "rate": rate, "runs": int(number), "twice": int(twice),
        **{f"{name}_ms_a_run": 1000 * one / number for name, one in cpu.items()},
        "cores": sum(cpu.values()) / given.seconds,
        "cores_at_ten_times": 10 * sum(cpu.values()) / given.seconds,
        "gib_a_million_runs": grown / number * 1e6 / 2**30, "wal_gib_a_million_runs": written / number * 1e6 / 2**30,
        "late_p50_ms": late[0], "late_p99_ms": late[1],
        **{f"{name}_mib": one for name, one in memory.items()},
    }  # fmt: skip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rate", type=int, default=333, help="due times a second")
    parser.add_argument("--seconds", type=int, default=60, help="how long it is measured")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        bench.register_kinds()
        say("size", **measured(bench, given))


if __name__ == "__main__":
    main()
