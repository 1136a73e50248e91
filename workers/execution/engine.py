"""Works one claimed batch from its options to its end: all that a kind need not know about."""

from __future__ import annotations

import contextlib
import itertools
import time
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from workers import shutdown
from workers.backoff import backoff
from workers.db import driver, is_lost, transaction
from workers.errors import (
    AddressRefused,
    Blocked,
    ControlFlow,
    DeadlineReached,
    HandBack,
    LeaseLost,
    OptionsError,
    QuotaSpent,
    QuotaWait,
    RateLimited,
    SettingMissing,
    Stopped,
)
from workers.execution.lease import Lease
from workers.execution.work import Item, Work, restore
from workers.ledger import claims, memo, outcomes, runs, transitions
from workers.ledger.claims import Claim
from workers.ledger.outcomes import Ended
from workers.redaction import redact
from workers.text import cleaned, printable
from workers.upstreams.client import UpstreamClient

if TYPE_CHECKING:
    from workers.execution.task import Task

log = structlog.stdlib.get_logger(__name__)

#: How long a worker tries to say that its batch goes back, when Postgres is away (seconds).
PATIENCE = 120.0
#: How much of a traceback is kept: its end (characters).
LONGEST_TRACE = 10_000


def work_batch(task: Task, hold: Claim, lease_length: timedelta) -> Ended | None:
    """Plan and do the batch; returns the run when this was its last batch.

    A DBAPIError of a lost connection passes: what became of the batch is for the ledger to say.
    """
    try:
        return _attempt(task, hold, lease_length)
    except LeaseLost as lost:
        log.warning("batch.lost", reason=str(lost))
        return None


def _attempt(task: Task, hold: Claim, lease_length: timedelta) -> Ended | None:
    with Lease(hold, lease_length) as lease:
        try:
            options = task.read_options(hold.run["options"])
            with contextlib.closing(_door(hold, lease)) as client:
                items = restore(hold.items or [])
                work = Work(hold, options, client, lease.check, log, items, lease.stop, lease.rest)
                try:
                    return _do(task, work)
                except Exception as error:
                    _keep_plan(work, error)
                    raise
        except ControlFlow as order:
            return _obey(hold, order, task.summary)
        except RateLimited as error:
            _wait(hold, error.upstream, str(error))
            return None
        except (OptionsError, SettingMissing, Blocked, AddressRefused) as error:
            return _end(hold, "failed", str(error), task.summary)
        except DBAPIError as error:
            if is_lost(error):
                raise
            return _retry_or_fail(hold, error, task.summary)
        except Exception as error:
            return _retry_or_fail(hold, error, task.summary)


def _obey(hold: Claim, order: ControlFlow, summary: outcomes.Summary | None) -> Ended | None:
    """Do what ended the batch early asks for."""
    match order:
        case QuotaWait():
            _wait(hold, order.upstream, str(order))
        case HandBack():
            _hand_back(hold, order.reason, not_before=order.not_before)
        case QuotaSpent():
            return _defer(hold, str(order), summary)
        case Stopped():
            return _end(hold, "stopped", str(order), summary)
        case DeadlineReached():
            return _end_run(hold, str(order), summary)
        case _:
            raise order
    return None


def _door(hold: Claim, lease: Lease) -> UpstreamClient:
    return UpstreamClient(
        run_id=hold.run_id,
        seq=hold.seq,
        settle_later=True,
        check=lease.check,
        resumed=hold.fence > 1,
    )


def _do(task: Task, work: Work[Any]) -> Ended | None:
    hold = work.claim
    if hold.items is None:
        work.check()
        items = list(task.plan(work)) if task.plan else [Item("all")]
        work.batch = _accept_plan(task, work, items)
    task.run(work)
    left = [item.key for item in work.batch if item.state == "waiting"]
    if left:
        raise RuntimeError(f"{task.name} left items without an outcome: {', '.join(left[:5])}")
    with transaction() as connection:
        work.client.settle(connection)
        return claims.end(connection, hold, "done", summary=task.summary)


def _keep_plan(work: Work[Any], error: BaseException) -> None:
    """Store a plan that no outcome has stored yet, so that what comes next knows what is left."""
    if work.planned_only and not isinstance(error, (LeaseLost, DBAPIError)):
        with claims.fenced(work.claim) as connection:
            claims.write_items(connection, work.claim, [item.row() for item in work.batch])


def _accept_plan(task: Task, work: Work[Any], items: list[Item]) -> list[Item]:
    """Store the plan: small ones stay in this batch, others are split; returns what is ours."""
    hold = work.claim
    keys = [item.key for item in items]
    if len(set(keys)) != len(keys):
        raise RuntimeError(f"{task.name} planned an item twice")
    size = hold.run["batch_size"] or task.batch_size
    delay = hold.run["batch_delay"] if hold.run["batch_delay"] is not None else task.batch_delay
    if 0 < len(items) <= size and not work.client.called and not work.steps:
        # Small, and nothing was paid for it: the first outcome stores it.
        if hold.run["schedule"] is not None and len(items) > 1:
            with work.read() as connection:
                _put_deferred_first(connection, hold, items)
        work.planned_only = True
        return items
    with transaction() as connection:
        runs.lock(connection, hold.run_id)
        claims.check_fence(connection, hold)
        if hold.run["schedule"] is not None:
            _put_deferred_first(connection, hold, items)
        work.client.settle(connection)
        if work.steps:
            memo.forget(driver(connection), hold.run_id, hold.seq)
        if len(items) <= size:
            claims.write_items(connection, hold, [item.row() for item in items])
            runs.add_batches(connection, hold.run_id, 0, len(items))
            return items
        rows = [item.row() for item in items]
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        claims.write_items(connection, hold, [])
        claims.plan(connection, hold, batches, delay)
    log.info("run.planned", items=len(items), batches=len(batches))
    return []


def _put_deferred_first(connection: Connection, hold: Claim, items: list[Item]) -> None:
    first = runs.deferred_keys(connection, hold.run["schedule"], hold.run_id)
    items.sort(key=lambda item: item.key not in first)


def _end(hold: Claim, state: str, error: str, summary: outcomes.Summary | None) -> Ended | None:
    log.warning("batch.end", state=state, error=error)
    with transaction() as connection:
        return claims.end(connection, hold, state, error=error, summary=summary)


def _end_run(hold: Claim, error: str, summary: outcomes.Summary | None) -> Ended | None:
    """The run's time is over: this batch and all that have not begun end as failed."""
    log.warning("run.overdue", error=error)
    with transaction() as connection:
        runs.lock(connection, hold.run_id)
        ended = transitions.close_late(connection, hold.run_id, error, transitions.WAITING)
        if ended:
            outcomes.close_batches(connection, hold.run_id, ended, error=error, summary=summary)
        return claims.end(connection, hold, "failed", error=error, summary=summary)


def _hand_back(hold: Claim, reason: str, **where: Any) -> None:
    log.info("batch.handed_back", reason=reason)
    with transaction() as connection:
        claims.hand_back(connection, hold, reason, **where)


def _wait(hold: Claim, upstream: str, reason: str) -> None:
    log.info("batch.handed_back", reason=reason, waiting_for=upstream)
    with transaction() as connection:
        transitions.wait_for_upstream(connection, hold, upstream, reason)


def _defer(hold: Claim, reason: str, summary: outcomes.Summary | None) -> Ended | None:
    """The day's quota is spent: what is left of the run waits for the schedule's next run."""
    log.info("run.deferred", reason=reason)
    with transaction() as connection:
        runs.lock(connection, hold.run_id)
        others = transitions.defer_waiting(connection, hold.run_id, reason)
        if others:
            outcomes.close_batches(connection, hold.run_id, others, summary=summary)
        claims.check_fence(connection, hold)
        transitions.defer_items(connection, hold)
        return claims.end(connection, hold, "deferred", error=reason, summary=summary)


def _retry_or_fail(hold: Claim, error: Exception, summary: outcomes.Summary | None) -> Ended | None:
    trace = redact(printable("".join(traceback.format_exception(error)), lines=True))[-LONGEST_TRACE:]
    first_line = str(error).partition("\n")[0]
    sentence = redact(cleaned(f"{type(error).__name__}: {first_line}"))
    log.error("batch.failed", attempt=hold.attempt + 1, of=hold.run["max_attempts"], exc_info=error)
    with transaction() as connection:
        return transitions.retry_or_fail(connection, hold, sentence, trace, summary)


def hand_back_patiently(hold: Claim, reason: str) -> None:
    """Give the batch back as soon as Postgres answers; after a while leave it to its lease.

    A worker that shuts down tries once: a lease that ended while Postgres was away is nobody's death.
    """
    until = time.monotonic() + PATIENCE
    for failures in itertools.count(1):
        if time.monotonic() > until:
            return
        try:
            with transaction() as connection:
                claims.hand_back(connection, hold, reason)
        except LeaseLost:
            return
        except (OperationalError, InterfaceError):
            if shutdown.requested():
                return
            time.sleep(backoff(failures, 0.2, 5.0))
        else:
            return
