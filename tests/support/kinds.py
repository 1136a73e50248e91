"""Kinds that only tests run; ``celery -A tests.support.kinds worker`` serves them beside the real ones."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Task as PlainTask
from celery.worker.control import control_command
from pydantic import Field
from sqlalchemy import text

from tests.support.waiting import wait_for
from workers.app import app
from workers.execution import Item, Work
from workers.ledger.kinds import Options
from workers.pool import slot_watch, watchdog
from workers.upstreams import CallOptions

__all__ = ["app"]


class CountingOptions(Options):
    items: int = Field(3, ge=0, le=10_000)
    seconds: float = Field(0, ge=0, le=60)
    broken: list[str] = []
    timeout: float = Field(30, gt=0, le=60)
    note: str | None = None
    upstream: str = "generic"
    #: The last item waits until this file is there.
    gate: str | None = None


def plan(work: Work[CountingOptions]) -> Iterable[Item]:
    return [Item(f"i{number}") for number in range(work.options.items)]


def effect(connection: Any, work: Work[Any], item: Item) -> None:
    """A domain row: which item was done, by whom."""
    connection.execute(
        text("insert into effect (run_id, item, pid) values (:run, :item, :pid)"),
        {"run": work.run_id, "item": item.key, "pid": os.getpid()},
    )


@app.task(
    name="tests.counting", options=CountingOptions, plan=plan, queue="upkeep", batch_size=5,
    min_every=timedelta(seconds=1), max_attempts=2,
)  # fmt: skip
def counting(work: Work[CountingOptions]) -> None:
    """Do items one by one, each taking a while."""
    for item in work.items():
        with work.attempt(item):
            threading.Event().wait(work.options.seconds)
            if work.options.gate and item.key == f"i{work.options.items - 1}":
                wait_for(Path(work.options.gate).exists, within=120)
            if item.key in work.options.broken:
                raise ValueError("this one is broken")
            with work.done(item, counted=1) as connection:
                effect(connection, work, item)


@app.task(name="tests.crashing", options=Options, queue="upkeep", max_attempts=2)
def crashing(work: Work[Options]) -> None:
    """Fail as a whole."""
    raise RuntimeError("nothing works, password=hunter2secret")


@app.task(name="tests.calling", options=CountingOptions, plan=plan, queue="upkeep", batch_size=5)
def calling(work: Work[CountingOptions]) -> None:
    """Call an upstream once an item."""
    for item in work.items():
        with work.attempt(item):
            options = CallOptions(timeout=work.options.timeout)
            work.client.get(work.options.upstream, f"/{item.key}", options)
            with work.done(item, called=1) as connection:
                effect(connection, work, item)


@app.task(name="tests.holding", base=PlainTask, ignore_result=True)
def holding(seconds: float) -> None:
    """Hold a process without the ledger: Celery's own measure sees nothing else."""
    threading.Event().wait(seconds)


@app.task(name="tests.hanging", options=Options, queue="upkeep", max_attempts=5, time_limit=8)
def hanging(work: Work[Options]) -> None:
    """Never come back, while the thread beside it beats the lease."""
    threading.Event().wait()


@app.task(name="tests.backtracking", options=Options, queue="upkeep", max_attempts=5)
def backtracking(work: Work[Options]) -> None:
    """Hold the interpreter's lock for good: a pattern that goes back and forth."""
    re.match(r"(a+)+$", "a" * 64 + "b")


@app.task(name="tests.growing", options=CountingOptions, plan=plan, queue="upkeep", batch_size=5)
def growing(work: Work[CountingOptions]) -> None:
    """Do items in a process that takes more and more memory."""
    for item in work.items():
        _kept.append(bytearray(2_000_000))
        with work.done(item, counted=1) as connection:
            effect(connection, work, item)


_kept: list[bytearray] = []
slot_watch.MAX_STANDSTILL = float(
    os.environ.get("WATCHKEEPER_X_CLOCK_STANDSTILL", slot_watch.MAX_STANDSTILL)
)
watchdog.MAX_STANDSTILL = float(os.environ.get("WATCHKEEPER_X_STANDSTILL", watchdog.MAX_STANDSTILL))


@control_command()  # type: ignore[misc]
def stand_still(state: Any) -> None:
    """Hold this worker's event loop for good: it looks alive and reads no more messages."""
    threading.Event().wait()


@control_command()  # type: ignore[misc]
def turn_deaf(state: Any) -> dict[str, str]:
    """Let this worker's event loop go on, and read no more messages."""
    state.consumer.task_consumer.channel.qos.can_consume = lambda: False
    return {"ok": "deaf"}


@app.task(name="tests.stamping", options=Options, queue="upkeep")
def stamping(work: Work[Options]) -> None:
    """Note when the first line runs, beside the due time."""
    began = time.time()
    line = f"{work.due_at.timestamp()} {began}\n".encode()
    file = os.open(os.environ["WATCHKEEPER_X_STAMPS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    for item in work.items():
        with work.done(item):
            pass


class PausingOptions(Options):
    seconds: float = Field(0.2, ge=0, le=60)


@app.task(name="tests.pausing", options=PausingOptions, queue="upkeep")
def pausing(work: Work[PausingOptions]) -> None:
    """Wait, as for another server's response, and write nothing of its own."""
    for item in work.items():
        threading.Event().wait(work.options.seconds)
        with work.done(item):
            pass


@app.task(name="tests.noop_kind", options=Options, queue="upkeep")
def noop_kind(work: Work[Options]) -> None:
    """Do nothing, through all of the ledger."""
    for item in work.items():
        with work.done(item):
            pass
