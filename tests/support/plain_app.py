"""Plain Celery tasks beside the kinds, as a user of Celery writes them."""

from __future__ import annotations

import os
import threading
from datetime import date
from typing import Annotated, Any, Literal

from celery import Task, chain, chord, group, shared_task
from celery.exceptions import Ignore, Reject
from pydantic import BaseModel, Field

from tests.support.kinds import app
from workers.db import transaction
from workers.plain.upstream_client import with_client
from workers.upstreams import UpstreamClient

app.conf.result_backend = os.environ.get("WATCHKEEPER_X_BACKEND")
app.conf.result_extended = True


def note(what: str, request: Any = None) -> None:
    """Leave a row that tests read."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "insert into effect (run_id, item, pid) values (%s, %s, %s)",
            (request.id if request is not None else None, what, os.getpid()),
        )


class Order(BaseModel):
    number: int
    items: list[str] = []


@app.task(name="plain.add")
def add(x: int, y: int = 2) -> int:
    """Add two numbers."""
    return x + y


@shared_task(name="plain.typed")
def typed(
    mode: Literal["fast", "slow"],
    /,
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    *,
    days: list[date] | None = None,
    **more: int,
) -> str:
    """Take arguments of every kind."""
    return mode


@app.task(name="plain.order", pydantic=True)
def order(given: Order) -> Order:
    """Take a model, as Celery 5.5 and later do."""
    return Order(number=given.number + 1, items=[*given.items, "done"])


@app.task(name="plain.free")
def free(a, b=None, *args, **kwargs):
    """Take anything."""
    return [a, b, list(args), kwargs]


@app.task(name="plain.whoami", bind=True)
def whoami(self: Task, what: str = "ran") -> dict[str, Any]:
    """Say what the request says."""
    note(what, self.request)
    return {"id": self.request.id, "root": self.request.root_id, "retries": self.request.retries}


@app.task(name="plain.fails", bind=True)
def fails(self: Task, what: str = "no luck, password=hunter2secret") -> None:
    """Fail."""
    note("failed", self.request)
    raise RuntimeError(what)


@app.task(name="plain.retries", bind=True, max_retries=5)
def retries(self: Task, until: int, countdown: float = 0.0) -> int:
    """Ask Celery for another attempt, so many times."""
    note(f"attempt {self.request.retries}", self.request)
    if self.request.retries < until:
        raise self.retry(countdown=countdown)
    return self.request.retries


@app.task(name="plain.auto", bind=True, autoretry_for=(OSError,), max_retries=2, retry_backoff=False, default_retry_delay=0)  # fmt: skip
def auto(self: Task) -> None:
    """Fail each time with an error that Celery retries by itself."""
    note(f"attempt {self.request.retries}", self.request)
    raise OSError("the disk is away")


@app.task(name="plain.ignores")
def ignores() -> None:
    """Raise Ignore."""
    raise Ignore("done by hand")


@app.task(name="plain.rejects", bind=True, acks_late=True)
def rejects(self: Task, requeue: bool = False) -> str:
    """Raise Reject; once when it is put back into its queue."""
    note("rejected", self.request)
    if requeue and (self.request.delivery_info or {}).get("redelivered"):
        return "came back"
    raise Reject("not mine", requeue=requeue)


@app.task(name="plain.sleeps", bind=True)
def sleeps(self: Task, seconds: float) -> str:
    """Take a while."""
    note("began", self.request)
    threading.Event().wait(seconds)
    note("ended", self.request)
    return "awake"


@app.task(name="plain.hangs", bind=True, time_limit=3)
def hangs(self: Task) -> None:
    """Never end before Celery's own limit."""
    note("began", self.request)
    while True:
        threading.Event().wait(0.1)


@app.task(name="plain.late", bind=True, acks_late=True)
def late(self: Task, seconds: float) -> None:
    """Be acknowledged late."""
    note("began", self.request)
    threading.Event().wait(seconds)
    note("ended", self.request)


@app.task(name="plain.silent", ignore_result=True)
def silent() -> str:
    """Return what nobody wants."""
    return "unseen"


@app.task(name="plain.total")
def total(numbers: list[int]) -> int:
    """Add many numbers."""
    result = sum(numbers)
    note(f"total {result}")
    return result


@app.task(name="plain.chords")
def chords(number: int) -> str:
    """Start a chord of so many tasks."""
    return str(chord((add.s(n, 0) for n in range(number)), total.s())().id)


@app.task(name="plain.chains")
def chains() -> str:
    """Start a chain, a group and chunks."""
    group([add.s(1, 1)]).apply_async()
    add.chunks([(n, n) for n in range(10)], 5).apply_async()
    return str(chain(add.s(1, 2), add.s(3), note_total.s()).apply_async().id)


@app.task(name="plain.note_total")
def note_total(number: int) -> None:
    """Note what a chain gave."""
    note(f"chain {number}")


@app.task(name="plain.calls", bind=True)
@with_client
def calls(self: Task, path: str, *, client: UpstreamClient) -> int:
    """Call the upstream named "generic"."""
    note(f"attempt {self.request.retries}", self.request)
    return client.get("generic", path).status


@app.task(name="plain.logged", bind=True)
def logged(self: Task, name: str) -> None:
    """Write a line to the log of what was done: of which row, and by whose message."""
    sender = "run" if self.request.get("watchkeeper_run") else "message"
    with open(os.environ["WATCHKEEPER_X_LOG"], "a") as log:  # noqa: PTH123
        log.write(f"{sender} {name}\n")
