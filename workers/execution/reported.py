"""A batch in a slot's thread, with what Flower is told of it."""

from __future__ import annotations

import time
from datetime import timedelta

import structlog

from workers.execution.task import RunFailed, Task
from workers.ledger.claimed import BatchLease
from workers.processes.doorbells import batch_id
from workers.processes.reports import report
from workers.redaction import redact

log = structlog.stdlib.get_logger(__name__)


def work_reported(kind: Task, leased: BatchLease, length: timedelta) -> None:
    """Work the batch to its end; what it cannot end itself ends with its lease."""
    began = time.monotonic()
    uuid = batch_id(leased.run_id, leased.seq, leased.fence - 1)
    run_id = str(leased.run_id)
    report(
        "received",
        uuid=uuid,
        name=kind.name,
        args=f"('{run_id}', {leased.seq})",
        kwargs="{}",
        root_id=run_id,
        retries=leased.attempt,
    )
    report("started", uuid=uuid)
    try:
        said = kind.work_lease(leased, length)
    except RunFailed as failed:
        report("failed", uuid=uuid, exception=repr(failed), traceback="")
    except Exception as error:
        log.error("batch.lost", run_id=run_id, seq=leased.seq, exc_info=error)
        report("failed", uuid=uuid, exception=redact(repr(error)), traceback="")
    else:
        report("succeeded", uuid=uuid, result=repr(said), runtime=time.monotonic() - began)
