"""The whole system while its parts are killed, stopped and restarted at random; then every promise.

``python tests/faults/chaos.py --minutes 1 --seed 1`` prints one JSON object; exit status 1 when a promise
was broken, with what was seen and the faults before it.  ``--break RULE`` runs the system without one of
its safety rules and ends as soon as that is seen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.support.chaos.broken_rules import RULES
from tests.support.chaos.cluster import Cluster
from tests.support.chaos.faults import Faults
from tests.support.chaos.plan import UPSTREAMS
from tests.support.chaos.promises import ALWAYS, AT_REST, broken, figures

#: After the last fault something more is done within this, until all is (seconds): what the faults held
#: up may be more than the upstreams' limits let through in a minute or two.
QUIET_WITHIN = 120.0
#: And all of it within this (seconds).
ALL_WITHIN = 900.0
#: Pause between two looks at the promises while a rule is broken (seconds).
LOOK = 5.0


class Chaos(Faults):
    """Faults for a while, then quiet."""

    def rage(self, seconds: float, *, look: bool) -> dict[str, list[str]]:
        """Faults for so long; with ``look``, end as soon as a promise is broken."""
        end = time.monotonic() + seconds
        next_look = time.monotonic() + LOOK
        while time.monotonic() < end:
            self.let_pass(self.rng.uniform(0.3, 2.5))
            with contextlib.suppress(Exception):
                self.strike()
            if look and time.monotonic() > next_look:
                next_look = time.monotonic() + LOOK
                with contextlib.suppress(psycopg.Error):
                    if found := broken(self.cluster, ALWAYS):
                        return found
        return {}

    def calm(self) -> float | None:
        """End all faults, plan nothing more, wait until all is done; None when that does not come."""
        for name in UPSTREAMS:
            self.cluster.order(name, slow=0)
        began = moved = time.monotonic()
        caught_up, done = False, -1
        while time.monotonic() - moved < QUIET_WITHIN and time.monotonic() - began < ALL_WITHIN:
            self.cluster.all_up()
            with contextlib.suppress(psycopg.Error), self.cluster.sql() as sql:
                if not caught_up:
                    caught_up = not _value(sql, DUE)
                    if caught_up:
                        sql.execute("update schedule set enabled = false")
                elif not _value(sql, BUSY):
                    return time.monotonic() - began
                if done < (done := _value(sql, DONE)):
                    moved = time.monotonic()
            time.sleep(0.5)
        return None


DONE = """
select (select count(*) from effect) + (select count(*) from run where finished_at is not null)
     + (select count(*) from batch where state not in ('waiting', 'sent', 'running'))
"""
DUE = "select count(*) from schedule_state where claim_at < clock_timestamp() - interval '0.5 s'"
BUSY = """
select (select count(*) from run where finished_at is null or not counted)
     + (select count(*) from batch where state in ('waiting', 'sent', 'running'))
     + (select count(*) from run_request where answered_at is null)
"""


def _value(sql: Any, query: str) -> Any:
    return next(iter(sql.execute(query).fetchone().values()))


def run(minutes: float, seed: int, rule: str | None, folder: Path, slots: int) -> dict[str, Any]:
    """One whole trial; returns its summary."""
    cluster = Cluster(folder, rule, slots)
    try:
        cluster.start()
        cluster.wait_for_work()
        chaos = Chaos(cluster, seed)
        found = chaos.rage(minutes * 60, look=rule is not None)
        quiet = None
        if not found:
            quiet = chaos.calm()
            found = broken(cluster, ALWAYS + AT_REST)
            if quiet is None:
                found["quiet"] = [
                    f"not all was done, and nothing for {QUIET_WITHIN:.0f} s (or all for {ALL_WITHIN:.0f} s)"
                ]
        summary: dict[str, Any] = {
            "chaos": "held" if not found else "broken",
            "minutes": minutes,
            "seed": seed,
            "slots": slots,
            "rule_broken": rule,
            "seconds": round(time.monotonic() - chaos.began, 1),
            "quiet_after_s": None if quiet is None else round(quiet, 1),
            "faults": sum(chaos.counts.values()),
            **figures(cluster),
            "kinds_of_faults": dict(sorted(chaos.counts.items())),
        }
        if found:
            summary["promises_broken"] = found
            summary["events"] = chaos.events[-60:]
        return summary
    finally:
        cluster.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--break", dest="rule", choices=sorted(RULES))
    parser.add_argument("--slots", type=int, default=16, help="slots of a worker's process")
    parser.add_argument("--keep", type=Path, help="keep logs in this folder")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        summary = run(given.minutes, given.seed, given.rule, folder, given.slots)
    print(json.dumps(summary, default=str), flush=True)
    return 1 if summary["chaos"] == "broken" else 0


if __name__ == "__main__":
    sys.exit(main())
