"""The whole system while its parts are killed, stopped and restarted at random; then every promise.

``python tests/faults/chaos.py --minutes 1 --seed 1`` prints one JSON object; exit status 1 when a promise
was broken, with what was seen and the faults before it.  ``--break RULE`` runs the system without one of
its safety rules and ends as soon as that is seen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import psycopg  # noqa: E402
from chaos_breaking import RULES  # noqa: E402
from chaos_promises import ALWAYS, AT_REST, broken, figures  # noqa: E402
from chaos_town import LEASE, UPSTREAMS, Town  # noqa: E402

#: Longest wait for quiet after the last fault (seconds).
QUIET_WITHIN = 120.0
#: A worker that was killed never comes back under that name (seconds).
FOR_EVER = 1e9
#: Pause between two looks at the promises while a rule is broken (seconds).
LOOK = 5.0


class Chaos:
    """Faults by a seed, and the log of them."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town = town
        self.rng = random.Random(seed)
        self.began = time.monotonic()
        self.events: list[str] = []
        self.counts: Counter[str] = Counter()
        self.faults: list[tuple[int, Callable[[], str | None]]] = [
            (5, self.kill_worker), (5, self.kill_child), (6, self.stop_worker), (3, self.end_worker),
            (3, self.kill_beat), (3, self.stop_beat), (1, self.end_beat), (2, self.flush_redis),
            (2, self.kill_redis), (2, self.kill_postgres), (1, self.restart_postgres),
            (1, self.stop_postgres), (2, self.kill_upstream), (3, self.annoy), (3, self.edit),
            (2, self.ask),
        ]  # fmt: skip

    def strike(self) -> None:
        """One fault, or an edit as people make them."""
        weights = [weight for weight, _ in self.faults]
        fault = self.rng.choices([one for _, one in self.faults], weights)[0]
        what = fault()
        if what is not None:
            self.counts[fault.__name__] += 1
            self.events.append(f"{time.monotonic() - self.began:.1f} s: {fault.__name__} {what}")

    def _one(self, kind: str) -> Any:
        return self.town.parts[self.rng.choice([n for n in self.town.parts if n.startswith(kind)])]

    def _hurt(self, part: Any, seconds: float = 0.0) -> str:
        """Note that the worker was killed, or slept for so long."""
        self.town.hurt.setdefault(part.node, []).append(time.time() + seconds)
        return str(part.node)

    def kill_worker(self) -> str:
        part = self._one("worker")
        part.group(signal.SIGKILL)
        return self._hurt(part, FOR_EVER)

    def kill_child(self) -> str | None:
        part = self._one("worker")
        return self._hurt(part) if part.running and part.child(self.rng, signal.SIGKILL) else None

    def stop_worker(self) -> str | None:
        part = self._one("worker")
        if not part.running or part.stopped_until:
            return None
        seconds = self.rng.uniform(0.5, 2 * LEASE)
        part.group(signal.SIGSTOP)
        part.stopped_until = time.monotonic() + seconds
        return f"{self._hurt(part, seconds)} for {seconds:.1f} s"

    def end_worker(self) -> str:
        part = self._one("worker")
        part.process.send(signal.SIGTERM)
        return self._hurt(part, FOR_EVER)

    def kill_beat(self) -> str:
        part = self._one("beat")
        part.group(signal.SIGKILL)
        return str(part.node)

    def stop_beat(self) -> str | None:
        part = self._one("beat")
        if not part.running or part.stopped_until:
            return None
        seconds = self.rng.uniform(0.5, 2 * LEASE)
        part.group(signal.SIGSTOP)
        part.stopped_until = time.monotonic() + seconds
        return f"{part.node} for {seconds:.1f} s"

    def end_beat(self) -> str:
        part = self._one("beat")
        part.process.send(signal.SIGTERM)
        return str(part.node)

    def flush_redis(self) -> str | None:
        self.town.valkey.flush()
        return ""

    def kill_redis(self) -> str:
        self.town.valkey.kill()
        seconds = self.rng.uniform(0, 4)
        self._pass(seconds)
        self.town.valkey.start()
        return f"for {seconds:.1f} s"

    def kill_postgres(self) -> str:
        self.town.note_deadlocks()
        self.town.postgres.kill()
        seconds = self.rng.choice([0.0, 1.6 * LEASE])
        self._pass(seconds)
        self.town.postgres.start()
        return f"for {seconds:.1f} s"

    def restart_postgres(self) -> str:
        self.town.note_deadlocks()
        self.town.postgres.stop()
        self.town.postgres.start()
        return ""

    def stop_postgres(self) -> str:
        """It hangs: connections stay, nobody answers."""
        seconds = self.rng.uniform(0.5, 1.4 * LEASE)
        process = self.town.postgres.process
        assert process is not None
        found = [process.pid, *_children(process.pid)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in found:
                _send(pid, number)
            if number == signal.SIGSTOP:
                self._pass(seconds)
        return f"for {seconds:.1f} s"

    def kill_upstream(self) -> str:
        name = self.rng.choice(list(UPSTREAMS))
        self.town.parts[name].group(signal.SIGKILL)
        return name

    def annoy(self) -> str:
        name = self.rng.choice(list(UPSTREAMS))
        what = self.rng.choice([{"down": 2}, {"retry_after": 2}, {"slow": 1.5}, {"slow": 0}])
        self.town.order(name, **what)
        return f"{name} {what}"

    def edit(self) -> str:
        """What changes no timing: the grid is checked."""
        name, priority = self.rng.choice(["quick", "slow", "calls-alpha"]), self.rng.randrange(10)
        with contextlib.suppress(psycopg.Error), self.town.sql() as sql:
            sql.execute("update schedule set priority = %s where name = %s", (priority, name))
            sql.execute("update quota set note = now()::text where upstream = 'alpha'")
        return f"{name} priority {priority}"

    def ask(self) -> str:
        """Run now, or stop what runs."""
        name = self.rng.choice(["quick", "slow", "calls-beta"])
        stop = self.rng.random() < 0.5
        with contextlib.suppress(psycopg.Error), self.town.sql() as sql:
            if stop:
                sql.execute(
                    "insert into run_request (action, run_id) select 'stop', id from run"
                    " where schedule = %s and state in ('due', 'running') limit 1", (name,)
                )  # fmt: skip
            else:
                sql.execute("insert into run_request (action, schedule) values ('run', %s)", (name,))
        return f"{'stop' if stop else 'run'} {name}"

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.town.tend()
            time.sleep(0.1)

    def rage(self, seconds: float, *, look: bool) -> dict[str, list[str]]:
        """Faults for so long; with ``look``, end as soon as a promise is broken."""
        end = time.monotonic() + seconds
        next_look = time.monotonic() + LOOK
        while time.monotonic() < end:
            self._pass(self.rng.uniform(0.3, 2.5))
            with contextlib.suppress(Exception):
                self.strike()
            if look and time.monotonic() > next_look:
                next_look = time.monotonic() + LOOK
                with contextlib.suppress(psycopg.Error):
                    if found := broken(self.town, ALWAYS):
                        return found
        return {}

    def calm(self) -> float | None:
        """End all faults, plan nothing more, wait until all is done; None when that does not come."""
        began = time.monotonic()
        caught_up = False
        while time.monotonic() - began < QUIET_WITHIN:
            self.town.all_up()
            with contextlib.suppress(psycopg.Error), self.town.sql() as sql:
                if not caught_up:
                    caught_up = not _value(sql, DUE)
                    if caught_up:
                        sql.execute("update schedule set enabled = false")
                elif not _value(sql, BUSY):
                    return time.monotonic() - began
            time.sleep(0.5)
        return None


DUE = "select count(*) from schedule_state where claim_at < clock_timestamp() - interval '0.5 s'"
BUSY = """
select (select count(*) from run where finished_at is null or not counted)
     + (select count(*) from batch where state in ('waiting', 'sent', 'running'))
     + (select count(*) from run_request where answered_at is null)
"""


def _value(sql: Any, query: str) -> Any:
    return next(iter(sql.execute(query).fetchone().values()))


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def run(minutes: float, seed: int, rule: str | None, folder: Path) -> dict[str, Any]:
    """One whole trial; returns its summary."""
    town = Town(folder, rule)
    try:
        town.start()
        town.wait_for_work()
        chaos = Chaos(town, seed)
        found = chaos.rage(minutes * 60, look=rule is not None)
        quiet = None
        if not found:
            quiet = chaos.calm()
            found = broken(town, ALWAYS + AT_REST)
            if quiet is None:
                found["quiet"] = [f"not all was done {QUIET_WITHIN:.0f} s after the last fault"]
        summary: dict[str, Any] = {
            "chaos": "held" if not found else "broken",
            "minutes": minutes,
            "seed": seed,
            "rule_broken": rule,
            "seconds": round(time.monotonic() - chaos.began, 1),
            "quiet_after_s": None if quiet is None else round(quiet, 1),
            "faults": sum(chaos.counts.values()),
            **figures(town),
            "kinds_of_faults": dict(sorted(chaos.counts.items())),
        }
        if found:
            summary["promises_broken"] = found
            summary["events"] = chaos.events[-60:]
        return summary
    finally:
        town.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--break", dest="rule", choices=sorted(RULES))
    parser.add_argument("--keep", type=Path, help="keep logs in this folder")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        summary = run(given.minutes, given.seed, given.rule, folder)
    print(json.dumps(summary, default=str), flush=True)
    return 1 if summary["chaos"] == "broken" else 0


if __name__ == "__main__":
    sys.exit(main())
