"""The upstreams of bench_quota, called by the whole system: two beats, two workers of four processes.

Four schedules are due at once; beat claims and sends, workers plan and call, item by item, from the
ledger.  First without faults, then with 50 kill -9 of workers (a process of a pool, every sixth time a
whole worker), two kills of a Redis that keeps nothing, and one crash of Postgres.  What the upstreams
saw comes from the imitations' own logs.  ``--quick``: a few windows of each;
``--faults``: only the second.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.processes import Process
from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, say
from tests.support.strict_upstreams import UPSTREAMS, Imitations, introduce, judge

WORKERS, POOL = 2, 4
#: A batch's lease and the look for lost messages, short beside the bench (seconds).
ENV = {
    "WATCHKEEPER_LEASE_SECONDS": "5",
    "WATCHKEEPER_RESEND_AFTER_SECONDS": "2",
    "WATCHKEEPER_LOG_LEVEL": "WARNING",
}
#: Every so many kills take a whole worker.
WHOLE = 6
#: All is done so long after the last call was due (seconds).
QUIET = 120.0
#: By upstream: calls a second that it has work for, items a batch, batches at once, priority.  None may
#: hold all eight processes; those that allow the least go first, as their calls cannot be made up for.
RUNS: dict[str, tuple[float, int, int, int]] = {
    "bench_a": (10.0, 8, 5, 5),
    "bench_b": (40 / 60, 5, 2, 7),
    "bench_c": (0.5, 4, 1, 9),
    "bench_d": (12.0, 10, 2, 3),
}


class System:
    """The workers, as they are killed and come back."""

    def __init__(self, bench: BenchEnvironment) -> None:
        self._place = bench
        self._chance = random.Random(4)
        self.kills = self.processes_killed = self.ended_themselves = 0
        self._workers = []
        for number in range(1, WORKERS + 1):
            name = f"w{number}@bench"
            worker = Process(
                [sys.executable, "-m", "celery", "-A", "tests.support.app_quota", "worker", "-Q", "upkeep", "-n", name,
                 "-c", str(POOL), "-O", "fair", "--without-gossip", "--without-mingle"],
                log=bench.folder / f"w{number}.log", cwd=ROOT, env=ENV,
            )  # fmt: skip
            worker.start()
            self._workers.append(worker)
        for _ in range(2):
            bench.beat(**ENV)
        signs = "select count(*) from heartbeat where role = 'worker'"
        bench.until(lambda: bench.value(signs) >= WORKERS)

    def tend(self) -> None:
        """Start again what has ended, as whoever runs it would."""
        for worker in self._workers:
            if not worker.running:
                self.ended_themselves += 1
                worker.start()

    def kill(self) -> None:
        """Kill -9 of one process of a pool, or of a whole worker, which is started again."""
        worker = self._chance.choice(self._workers)
        self.kills += 1
        if self.kills % WHOLE == 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            self.processes_killed += POOL
            worker.stop(grace=5.0)
            worker.start()
            return
        self.processes_killed += 1
        for _ in range(100):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
                if children:
                    os.kill(int(self._chance.choice(children)), signal.SIGKILL)
                    return
            time.sleep(0.05)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop(grace=8.0)
        self._place.stop_beats()


class Trial:
    """One run of everything, with its faults at their times."""

    def __init__(self, bench: BenchEnvironment, imitations: Imitations, system: System) -> None:
        self._place, self._imitations, self._system = bench, imitations, system
        self.redis_kills = self.postgres_crashes = self.in_flight_at_crash = 0

    def kill_redis(self) -> None:
        self._place.valkey.kill()
        self._place.valkey.start()
        self.redis_kills += 1

    def crash_postgres(self) -> None:
        flying = "select count(*) from permit where not settled and stamp > clock_timestamp()"
        self.in_flight_at_crash = self._place.value(flying)
        self._place.crash_postgres()
        self.postgres_crashes += 1

    def ask_for_a_pause(self) -> None:
        """The fourth upstream answers 429 with Retry-After for a moment."""
        self._imitations.ask("bench_d", "/_control", {"retry_after": 2.5})

    def timeline(self, seconds: float, kills: int) -> list[tuple[float, Callable[[], None]]]:
        events = [(at, self.ask_for_a_pause) for at in range(10, int(seconds), 12)]
        events += [((n + 1) * seconds / (kills + 1), self._system.kill) for n in range(kills)]
        if kills:
            events += [(seconds * share, self.kill_redis) for share in (0.3, 0.7)]
            events.append((seconds / 2, self.crash_postgres))
        return sorted(events, key=lambda event: event[0])

    def go(self, seconds: float, kills: int) -> float:
        """Let all runs begin, and the faults happen; returns when the time was over (Unix time)."""
        asked = 0
        for name, (rate, size, most, priority) in RUNS.items():
            burst = min((calls for calls, _ in UPSTREAM[name]), default=0)
            items = int(1.05 * rate * seconds) + 1 + burst
            asked += items
            self._place.sql.execute(
                "insert into schedule (name, task, at, options, batch_size, max_in_flight, priority)"
                " values (%s, 'bench.calling', clock_timestamp(), %s, %s, %s, %s)",
                (
                    name.replace("_", "-"),
                    json.dumps({"items": items, "upstream": name}),
                    size,
                    most,
                    priority,
                ),
            )
        self.asked = asked
        begin = time.time()
        for at, event in [*self.timeline(seconds, kills), (seconds, self._system.tend)]:
            while (left := begin + at - time.time()) > 0:
                time.sleep(min(left, 0.2))
                self._system.tend()
            event()
        return begin + seconds

    def wait_for_quiet(self) -> float:
        """Seconds until every run has ended."""
        began = time.monotonic()
        left = "select count(*) from run where finished_at is null"

        def quiet() -> bool:
            self._system.tend()
            return bool(self._place.value(left) == 0)

        self._place.until(quiet, within=QUIET, every=0.2)
        return time.monotonic() - began


UPSTREAM = {name: limits for name, limits, _ in UPSTREAMS}
#: Items that failed as their batch was set aside, at its worker's second death: not lost.
SET_ASIDE = """
select count(*) from batch b, jsonb_array_elements(b.items) i
 where b.error like 'set aside%' and i ->> 'error' = 'its worker died'
"""


def measure(bench: BenchEnvironment, what: str, seconds: float, *, kills: int) -> None:
    bench.empty()
    imitations = Imitations(bench.folder)
    try:
        introduce(bench, imitations)
        system = System(bench)
        try:
            trial = Trial(bench, imitations, system)
            ends = trial.go(seconds, kills)
            quiet = trial.wait_for_quiet()
        finally:
            system.stop()
        figures = judge(bench, imitations, ends)
    finally:
        imitations.stop()
    done, failed = bench.sql.execute("select sum(done), sum(failed) from run").fetchone() or (0, 0)
    set_aside = int(bench.value(SET_ASIDE))
    say(
        what, seconds=seconds, processes=WORKERS * POOL, kills=system.kills,
        processes_killed=system.processes_killed, ended_themselves=system.ended_themselves, redis_kills=trial.redis_kills,
        postgres_crashes=trial.postgres_crashes, in_flight_at_crash=trial.in_flight_at_crash,
        **figures, failed=int(failed) - set_aside, set_aside=set_aside,
        lost=int(trial.asked - done - failed), quiet_after_s=quiet,
    )  # fmt: skip


def main() -> None:
    quick = "--quick" in sys.argv
    with bench_environment() as bench:
        import tests.support.app_quota  # noqa: F401 - registers the kind
        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered(), relaxed=True)
        # A permit granted must outlive a crash; the bench's own server would not wait for that.
        bench.sql.execute("alter database watchkeeper set synchronous_commit = on")
        if "--faults" not in sys.argv:
            measure(bench, "quota_system", 30 if quick else 200, kills=0)
        measure(bench, "quota_system_faults", 30 if quick else 200, kills=8 if quick else 50)


if __name__ == "__main__":
    main()
