"""Plain Celery on the same settings: one task that does nothing, without the ledger."""

from __future__ import annotations

from celery import Task as PlainTask

from tests.support.kinds import app


@app.task(name="plain.noop", base=PlainTask, ignore_result=True)
def noop() -> None:
    """Nothing at all."""
