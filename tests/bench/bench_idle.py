"""A million schedules, none due: how soon is beat ready, how much memory and CPU does it take?"""

from __future__ import annotations

import re
import sys
import time
from datetime import datetime

from tests.support.bench_environment import bench_environment, cpu_seconds, resident_mib, say

BEGUN = re.compile(r"^(\S+Z) .*beat: Starting", re.MULTILINE)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    watched = 60.0
    with bench_environment() as bench:
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
        time.sleep(watched)
        used = cpu_seconds(beat.pid) - cpu
        say(
            "idle",
            n=number,
            ready_seconds=ready,
            resident_mib=resident_mib(beat.pid),
            core_percent=100 * used / watched,
        )


if __name__ == "__main__":
    main()
