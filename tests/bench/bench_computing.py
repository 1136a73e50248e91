"""What threads that compute cost one another, one at a time or all at once: list pages parsed by many.

Each thread waits like a call and then parses a page of 20 ads.  Together they want more than one core.
Beside them a thread that only waits says how late it is woken, as renewals of leases are.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import threading
import time
from contextlib import AbstractContextManager

from tests.bench.bench_parse import ours, page
from tests.support.bench_environment import percentile, say
from workers.execution import computing

#: A call takes up to so long (seconds); a nap of the thread that only waits.
CALL, NAP = 0.04, 0.005


class Trial:
    def __init__(self, threads: int, seconds: float, *, alone: bool) -> None:
        self._html, self._alone = page(), alone
        self._until = time.monotonic() + seconds
        self.took: list[float] = []
        self.late: list[float] = []
        self._threads = [threading.Thread(target=self._parse) for _ in range(threads)]
        self._threads.append(threading.Thread(target=self._wait))

    def run(self) -> float:
        """CPU seconds of all."""
        began = time.process_time()
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        return time.process_time() - began

    def _parse(self) -> None:
        while time.monotonic() < self._until:
            time.sleep(random.uniform(0, CALL))
            began = time.monotonic()
            turn: AbstractContextManager[None] = (
                computing() if self._alone else contextlib.nullcontext()
            )
            with turn:
                ours(self._html)
            self.took.append(time.monotonic() - began)

    def _wait(self) -> None:
        while time.monotonic() < self._until:
            began = time.monotonic()
            time.sleep(NAP)
            self.late.append(time.monotonic() - began - NAP)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each trial")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 16, 40])
    given = parser.parse_args()
    ours(page())
    for threads in given.threads:
        for alone in (False, True):
            trial = Trial(threads, given.seconds, alone=alone)
            cpu = trial.run()
            say(
                "computing", threads=threads, one_at_a_time=alone, pages=len(trial.took),
                cpu_ms_a_page=1000 * cpu / len(trial.took),
                parse_ms_p50=1000 * percentile(trial.took, 0.5),
                parse_ms_p99=1000 * percentile(trial.took, 0.99),
                waiting_thread_late_ms_p50=1000 * percentile(trial.late, 0.5),
                waiting_thread_late_ms_p99=1000 * percentile(trial.late, 0.99),
            )  # fmt: skip


if __name__ == "__main__":
    main()
