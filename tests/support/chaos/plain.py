"""Plain Celery tasks that chaos has on the schedule: each says in a file what its body did.

A file, because the ledger is what it is compared with, and because a body that has begun is known of
also while Postgres is away.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from celery import Task

from workers.app import app

#: Where the file is.
VARIABLE = "CHAOS_PLAIN"


def _note(task: Task, what: str) -> None:
    request = task.request
    row = {"run_id": request.id, "retries": request.retries, "what": what, "worker": request.hostname,
           "at": time.time()}  # fmt: skip
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, json.dumps(row).encode() + b"\n")
    finally:
        os.close(file)


def file_in(folder: Path) -> Path:
    return folder / "plain.jsonl"


def bodies(folder: Path) -> list[dict[str, Any]]:
    """What bodies did: began, ended."""
    file = file_in(folder)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _work(task: Task, seconds: float) -> None:
    _note(task, "began")
    threading.Event().wait(seconds)
    _note(task, "ended")


@app.task(name="chaos.plain_early", bind=True)
def early(self: Task, seconds: float) -> float:
    """Take a while; acknowledged early, so that it may not begin again."""
    _work(self, seconds)
    return seconds


@app.task(name="chaos.plain_late", bind=True, acks_late=True)
def late(self: Task, seconds: float) -> float:
    """Take a while; acknowledged late, so that it begins again when its worker was lost."""
    _work(self, seconds)
    return seconds


@app.task(name="chaos.plain_retried", bind=True, max_retries=None)
def retried(self: Task, until: int, countdown: float) -> float:
    """Ask Celery for another attempt, so many times."""
    _work(self, 0.05)
    if self.request.retries < until:
        raise self.retry(countdown=countdown)
    return float(self.request.retries)


@app.task(name="chaos.plain_auto", bind=True, autoretry_for=(OSError,), max_retries=2, retry_backoff=False, default_retry_delay=1)  # fmt: skip
def auto(self: Task) -> None:
    """Fail each time with an error that Celery retries by itself."""
    _work(self, 0.05)
    raise OSError("the disk is away")


@app.task(name="chaos.plain_failing", bind=True)
def failing(self: Task) -> None:
    """Fail each time; the schedule gives it two attempts."""
    _work(self, 0.05)
    raise RuntimeError("no luck")
