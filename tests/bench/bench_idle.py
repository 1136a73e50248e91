"""The idle stack's memory by part (PSS); then a million schedules, none due: how soon is beat ready, at what cost?"""

from __future__ import annotations

import re
import threading
from datetime import datetime

from sandbox.environment import worker_groups
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    cpu_seconds,
    parse,
    pss_mib,
    resident_mib,
    say,
    tree,
)

BEGUN = re.compile(r"^(\S+Z) .*beat: Starting", re.MULTILINE)
#: How long a part is watched (seconds).
WATCHED = 60.0


def stack(bench: BenchEnvironment) -> None:
    """What `docker compose up` runs, without work: a beat, the groups of workers, Flower and the servers."""
    parts = {"beat": bench.beat()}
    for name, queues in worker_groups().items():
        parts[name] = bench.program(
            name, "celery", "-A", "workers.app", "worker", "-Q", queues, "-n", f"{name}@bench", "--autoscale=4,1",
            "-O", "fair", "--without-gossip", "--without-mingle",
        )  # fmt: skip
    parts["flower"] = bench.program(
        "flower", "celery", "-A", "workers.app", "flower", "--port=0", "--address=127.0.0.1"
    )
    bench.until(
        lambda: (
            bench.value("select count(*) from heartbeat where role = 'worker'") == len(worker_groups())
        )
    )
    threading.Event().wait(WATCHED)
    assert bench.postgres.process is not None
    assert bench.valkey.process is not None
    servers = {"postgres": bench.postgres.process, "valkey": bench.valkey.process}
    sizes = {name: pss_mib(tree(part.pid)) for name, part in (parts | servers).items()}
    say(
        "idle_stack", pss_mib=sum(sizes.values()), **{f"{name}_mib": one for name, one in sizes.items()}
    )
    bench.stop_others()
    bench.stop_beats()


def many_schedules(bench: BenchEnvironment, number: int) -> None:
    bench.empty()
    bench.load(number, "interval '10 days' + n * interval '1 millisecond'", "30 days")
    bench.sql.execute(
        "insert into schedule (name, task, every) values ('probe', 'tests.noop', '1 day')"
    )
    beat = bench.beat(WATCHKEEPER_LOG_LEVEL="INFO")
    bench.until(lambda: bench.value("select count(*) from run"), every=0.005)
    # Python and Celery start before beat does; the time from its first line counts.
    began = datetime.fromisoformat(BEGUN.findall(beat.log.read_text())[0])
    ready = (bench.value("select min(updated_at) from batch") - began).total_seconds()
    cpu = cpu_seconds(beat.pid)
    threading.Event().wait(WATCHED)
    used = cpu_seconds(beat.pid) - cpu
    say(
        "idle",
        n=number,
        ready_seconds=ready,
        resident_mib=resident_mib(beat.pid),
        core_percent=100 * used / WATCHED,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "schedules", nargs="?", type=int, default=1_000_000, help="schedules, none due; 0: none"
    )
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        stack(bench)
        if given.schedules:
            many_schedules(bench, given.schedules)


if __name__ == "__main__":
    main()
