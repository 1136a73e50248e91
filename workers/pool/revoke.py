"""``revoke`` with ``terminate`` of a batch stops its run: its process works at others too.

Flower's "Terminate" sends it.  Anything that is no batch is revoked as Celery does it.
"""

import threading
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from celery import bootsteps
from celery.worker.control import Panel
from kombu.utils.functional import maybe_list
from sqlalchemy.exc import SQLAlchemyError

from workers.db import driver_transaction
from workers.ledger import renewed, stopped
from workers.processes.doorbells import batch_id
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)


class Revoke(bootsteps.Step):
    """Bootstep of the worker: puts our command in the place of Celery's."""

    def __init__(self, worker: Any, **options: Any) -> None:
        revoke = Panel.data["revoke"]
        if not hasattr(revoke, "original"):
            Panel.data["revoke"] = _stopping(revoke)
        super().__init__(worker, **options)


def _stopping(original: Any) -> Any:
    def revoke(state: Any, task_id: Any, terminate: bool = False, **how: Any) -> Any:
        if terminate:
            ids = [str(one) for one in maybe_list(task_id) or []]
            threading.Thread(target=_stop, args=(ids,), name="revoke", daemon=True).start()
        return original(state, task_id, terminate=terminate, **how)

    revoke.original = original  # type: ignore[attr-defined]
    return revoke


def _stop(ids: Iterable[str]) -> None:
    """Beside the event loop, which must not wait for Postgres."""
    try:
        stop(ids)
    except (SQLAlchemyError, OSError) as error:
        log.error("run.not_revoked", error=brief(error))


def stop(ids: Iterable[str]) -> int:
    """Ask the runs of these batches, or with these ids, to stop; returns how many were asked."""
    with driver_transaction() as connection:
        running = {
            batch_id(run_id, seq, fence - 1): run_id
            for run_id, seq, fence in renewed.running(connection)
        }
        asked, now = 0, renewed.clock(connection)
        for given in ids:
            run_id = running.get(given) or _uuid(given)
            if run_id is None:
                continue
            if stopped.request_stop(connection, run_id, "revoked", now):
                log.info("run.revoked", run_id=str(run_id))
                asked += 1
        if asked:
            connection.execute("notify watchkeeper, 'stop'")
    return asked


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
