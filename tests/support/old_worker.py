"""A worker as it was before doorbells: it knows none, and says nothing of slots.

``celery -A tests.support.old_worker worker`` takes messages of batches alone.
"""

from __future__ import annotations

from typing import Any

from celery import signals

from tests.support.kinds import app
from workers.ledger import heartbeats
from workers.processes.doorbells import SESSION

__all__ = ["app"]

_record = heartbeats.record


def _without_slots(name: str, role: str, detail: dict[str, Any]) -> int:
    return _record(name, role, {key: value for key, value in detail.items() if key != "slots"})


heartbeats.record = _without_slots


@signals.worker_init.connect
def _forget_sessions(**_: Any) -> None:
    app.tasks.pop(SESSION, None)
