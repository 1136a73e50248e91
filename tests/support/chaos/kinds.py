"""The application that chaos runs: kinds that leave traces, and a switch that breaks one safety rule.

``CHAOS_BREAK=fence celery -A tests.support.chaos.kinds worker`` runs the system without that rule; only here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import text

from tests.support.chaos import broken_rules, plain
from workers.app import app
from workers.execution import Item, Work
from workers.ledger import claimed
from workers.ledger.kinds import Options
from workers.upstreams import CallOptions

__all__ = ["app", "plain"]

if os.environ.get("CHAOS_BREAK"):
    broken_rules.break_rule(os.environ["CHAOS_BREAK"])


_claim = claimed.claim


def claim(connection: Any, run_id: Any, seq: int, *how: Any) -> Any:
    """Claim the batch; a message about a run that the ledger does not know leaves a trace."""
    hold = _claim(connection, run_id, seq, *how)
    if hold is None:
        connection.execute(
            "insert into chaos_stranger (run_id, seq) select %(run)s, %(seq)s"
            " where not exists (select from run where id = %(run)s)",
            {"run": run_id, "seq": seq},
        )
    return hold


claimed.claim = claim


class ChaosOptions(Options):
    """How many items, how long each takes (seconds), which upstream each calls."""

    items: int = Field(3, ge=1, le=200)
    seconds: float = Field(0.05, ge=0, le=60)
    upstream: str | None = None


def plan(work: Work[ChaosOptions]) -> Iterable[Item]:
    return [Item(f"i{number}") for number in range(work.options.items)]


@app.task(
    name="chaos.working", options=ChaosOptions, plan=plan, queue="upkeep", batch_size=3,
    min_every=timedelta(seconds=1), max_attempts=5, time_limit=60,
)  # fmt: skip
def working(work: Work[ChaosOptions]) -> None:
    """Do items one by one; each leaves one row, after a call if there is an upstream."""
    for item in work.items():
        with work.attempt(item):
            if work.options.upstream:
                work.client.get(
                    work.options.upstream, f"/{work.run_id}/{item.key}", CallOptions(timeout=4)
                )
            else:
                threading.Event().wait(work.options.seconds)
            with work.done(item, worked=1) as connection:
                connection.execute(
                    text("insert into effect (run_id, item, pid) values (:run, :item, :pid)"),
                    {"run": work.run_id, "item": item.key, "pid": os.getpid()},
                )


@app.task(
    name="chaos.hanging", options=ChaosOptions, plan=plan, queue="upkeep", max_attempts=5,
    min_every=timedelta(seconds=1), timeout=timedelta(seconds=4), time_limit=12,
)  # fmt: skip
def hanging(work: Work[Any]) -> None:
    """Never come back, while the thread beside it beats the lease."""
    for _ in work.items():
        threading.Event().wait()
