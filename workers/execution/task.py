"""The base class of every task: a message comes in, a batch is claimed, worked, and ended.

A message is ``(run_id, seq)`` and carries no state. A call with options instead (``celery call``)
gets a run of its own first. Whatever happens is written to the ledger before it is said to Celery.
"""

import operator
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import FunctionType
from typing import Any, ClassVar, NoReturn
from uuid import NAMESPACE_OID, UUID, uuid5

import celery
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from workers.db import driver_transaction, is_lost
from workers.errors import OptionsError
from workers.execution import engine
from workers.execution.items import Item
from workers.execution.work import Work
from workers.ledger import claimed, planned
from workers.ledger import ended as ended_batch
from workers.ledger.claimed import BatchLease
from workers.ledger.finished import Ending, Summary
from workers.ledger.kinds import NOT_EMPTY, Options
from workers.processes import shutdown
from workers.processes.doorbells import batch_id
from workers.processes.reports import report
from workers.redaction import redact
from workers.settings import DEFAULT_QUEUE, settings
from workers.text.cleaning import cleaned

log = structlog.stdlib.get_logger(__name__)

Plan = Callable[[Work[Any]], Iterable[Item]]


#: How much of what cannot be read is shown (characters).
MAX_REFUSAL = 200


def run_id_of(task_id: str) -> UUID:
    """The run of a call by hand: its Celery id when that is a UUID, else one made from it."""
    try:
        return UUID(task_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, task_id)


def _batch_of(args: tuple[Any, ...]) -> tuple[UUID, int] | None:
    """The run and the number of the batch that a message of beat names; None: it is no such message."""
    try:
        run_id, seq = args
        return UUID(run_id), operator.index(seq)
    except (TypeError, ValueError, AttributeError):
        return None


class RunFailed(Exception):
    """Tells Celery and Flower that a run failed; the ledger has the whole story."""


class Task(celery.Task):  # type: ignore[type-arg]
    """What a kind declares, with defaults; see docs/adding-a-watch.md."""

    abstract = True
    typing = False
    ignore_result = True
    acks_late = False
    throws = (RunFailed,)

    options: ClassVar[type[Options]] = Options
    plan: Plan | None = None
    summary: Summary | None = None
    upstream: ClassVar[str | None] = None
    #: Queue its runs go to by default; a kind declares it as ``queue``.
    default_queue: ClassVar[str] = DEFAULT_QUEUE
    batch_size: ClassVar[int] = 1
    batch_delay: ClassVar[timedelta] = timedelta(0)
    #: Items of one batch worked at once, by kinds that call ``work.each``.
    in_flight: ClassVar[int] = 1
    min_every: ClassVar[timedelta | None] = timedelta(seconds=1)
    max_every: ClassVar[timedelta | None] = None
    allowed_every: ClassVar[tuple[timedelta, ...] | None] = None
    max_running: ClassVar[int | None] = None
    #: It writes after the outcome of its last item: that does not end the batch, its return does.
    ends_late: ClassVar[bool] = False
    max_attempts: ClassVar[int] = 3
    timeout: ClassVar[timedelta | None] = timedelta(hours=6)
    #: Celery's own limit behind the ledger's deadline, a batch, in seconds; never None.
    time_limit = 900

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep declared functions as they are: a function in a class would become a method.

        ``queue`` becomes ``default_queue``: Celery deprecates an attribute of that name on its tasks.
        """
        super().__init_subclass__(**kwargs)
        if "queue" in cls.__dict__:
            cls.default_queue = cls.__dict__["queue"]
            type.__delattr__(cls, "queue")
        for name in ("plan", "summary"):
            if isinstance(cls.__dict__.get(name), FunctionType):
                setattr(cls, name, staticmethod(cls.__dict__[name]))

    def __call__(self, *args: Any, **kwargs: Any) -> str | None:
        """Do what a message asks for; returns a sentence for Flower."""
        with shutdown.busy():
            found = None if kwargs else _batch_of(args)
            if found is not None:
                return self._claim_and_work(*found)
            run_id = run_id_of(str(self.request.id))
            if args:
                self._refuse(run_id, f"{self.name} takes options by name, not {args!r}")
            try:
                self._create(run_id, kwargs)
            except DBAPIError as error:
                if is_lost(error):
                    raise
                self._refuse(run_id, f"options cannot be stored: {error.orig}")
            return self._claim_and_work(run_id, 0)

    def _create(self, run_id: UUID, options: dict[str, Any]) -> None:
        caller = f"celery call from {self.request.origin or 'an unknown program'}"
        with driver_transaction() as connection:
            planned.create_by_hand(connection, run_id, self, options, caller)

    def _refuse(self, run_id: UUID, why: str) -> NoReturn:
        """Leave a failed run of a call that nothing can be done with, and raise.

        A second copy of the message finds the run ended, and changes nothing.
        """
        self._create(run_id, {})
        example = f"celery call {self.name} --kwargs '{{\"name\": value}}'"
        error = redact(cleaned(f"{why[:MAX_REFUSAL]}; write: {example}"))
        with driver_transaction() as connection:
            lease = claimed.claim(connection, run_id, 0, self.request.hostname or "here", timedelta(1))
            if lease is not None:
                ended_batch.end(connection, lease, "failed", Ending(error))
        raise RunFailed(error)

    def _claim_and_work(self, run_id: UUID, seq: int) -> str | None:
        length = timedelta(seconds=settings().lease_seconds)
        worker = self.request.hostname or "here"
        with driver_transaction() as connection:
            lease = claimed.claim(connection, run_id, seq, worker, length, self.batch_delay)
        if lease is None:
            log.info("batch.duplicate", run_id=str(run_id), seq=seq)
            return None
        return self.work_lease(lease, length)

    def work_lease(self, lease: BatchLease, length: timedelta) -> str | None:
        """Work a leased batch to its end; a sentence for Flower, or RunFailed."""
        with structlog.contextvars.bound_contextvars(
            run_id=str(lease.run_id), schedule=lease.run["schedule"], seq=lease.seq, task=self.name
        ):
            return self._work(lease, length)

    def work_reported(self, lease: BatchLease, length: timedelta) -> None:
        """The same in a slot's thread: the parent tells Flower; what cannot end ends with its lease."""
        began = time.monotonic()
        uuid, run_id = batch_id(lease.run_id, lease.seq, lease.fence - 1), str(lease.run_id)
        message = {"args": f"('{run_id}', {lease.seq})", "kwargs": "{}", "root_id": run_id}
        report("received", uuid=uuid, name=self.name, retries=lease.attempt, **message)
        report("started", uuid=uuid)
        try:
            said = self.work_lease(lease, length)
        except RunFailed as failed:
            report("failed", uuid=uuid, exception=repr(failed), traceback="")
        except Exception as error:
            log.error("batch.lost", run_id=run_id, seq=lease.seq, exc_info=error)
            report("failed", uuid=uuid, exception=redact(repr(error)), traceback="")
        else:
            report("succeeded", uuid=uuid, result=repr(said), runtime=time.monotonic() - began)

    def _work(self, lease: BatchLease, length: timedelta) -> str | None:
        log.info("run.start" if lease.seq == 0 else "batch.start", fence=lease.fence)
        try:
            ended = engine.work_batch(self, lease, length)
        except DBAPIError as error:
            if not is_lost(error):
                raise
            # What the database has is the truth; this copy of the work ends and another reads it.
            log.warning("batch.interrupted", error=redact(str(error).partition("\n")[0]))
            engine.hand_back_when_possible(lease, "lost its connection to Postgres")
            return None
        if ended is None:
            return None
        summary = ended.result["summary"]
        counts = {name: getattr(ended, name) for name in ("total", "done", "failed", "deferred")}
        log.info("run.end", state=ended.state, **counts, summary=summary, error=ended.error)
        if ended.state == "failed":
            raise RunFailed(ended.error or "failed")
        return f"{ended.state}: {summary}"

    def read_options(self, options: Mapping[str, Any]) -> Options:
        """Options as the kind's model, or OptionsError with a sentence a person can act on."""
        try:
            return self.options.model_validate(options)
        except ValidationError as error:
            raise OptionsError(f"{self.name}: {explain(error, self.options)}") from None

    def on_failure(self, exc: Exception, *_: Any) -> None:
        """Log the loss of a process that could not end its batch itself (killed, time limit)."""
        if not isinstance(exc, RunFailed):
            log.error("batch.lost", task=self.name, error=redact(str(exc)))


def explain(error: ValidationError, model: type[Options]) -> str:
    """Pydantic's findings in the words that the database uses for the same mistakes."""
    sentences = []
    for found in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in found["loc"])
        if found["type"] == "extra_forbidden":
            takes = ", ".join(sorted(model.model_fields)) or "no options"
            sentences.append(f'there is no option "{name}"; it takes: {takes}')
        elif found["type"] == "missing":
            sentences.append(f'option "{name}" is needed')
        else:
            is_empty = found.get("ctx", {}).get("pattern") == NOT_EMPTY
            why = "it must be a text that is not empty" if is_empty else found["msg"]
            sentences.append(f'option "{name}" is not allowed: {why}')
    return "; ".join(sentences)
