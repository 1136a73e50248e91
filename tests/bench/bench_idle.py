"""A million schedules, none due: how soon is beat ready, how much memory and CPU does it take?"""

from __future__ import annotations

import sys
import time

from ground import cpu_seconds, ground, resident_mib, say


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    watched = 60.0
    with ground() as place:
        place.load(number, "interval '10 days' + n * interval '1 millisecond'", "30 days")
        began = time.perf_counter()
        beat = place.beat()
        place.sql.execute(
            "insert into schedule (name, task, every) values ('probe', 'tests.noop', '1 day')"
        )
        place.until(lambda: place.value("select count(*) from run"), every=0.005)
        started = time.perf_counter() - began
        # Python and Celery start before beat does; the time from its first line counts.
        ready = started - import_time()
        cpu = cpu_seconds(beat.pid)
        time.sleep(watched)
        used = cpu_seconds(beat.pid) - cpu
        say(
            "idle",
            n=number,
            ready_seconds=ready,
            started_seconds=started,
            resident_mib=resident_mib(beat.pid),
            core_percent=100 * used / watched,
        )


def import_time() -> float:
    """Seconds that `celery -A workers.app` takes before it does anything."""
    import subprocess

    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import celery.__main__, beat.scheduler, workers.app"], check=True
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
