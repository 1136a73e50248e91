"""Works one claimed batch from its options to its end: all that a kind need not know about."""

import contextlib
import itertools
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from workers.backoff import backoff
from workers.db import driver, driver_connect, driver_transaction, is_lost, transaction
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
from workers.execution.items import Item
from workers.execution.lease import LeaseKeeper
from workers.execution.work import Work
from workers.ledger import claimed, ended, handed_back, memo, planned, retried, runs
from workers.ledger.claimed import BatchLease
from workers.ledger.ended import Done
from workers.ledger.finished import Ended, Ending, Summary
from workers.ledger.kinds import Options
from workers.processes import shutdown
from workers.redaction import redact
from workers.text.cleaning import cleaned, printable
from workers.upstreams.bundles import Bundles
from workers.upstreams.client import UpstreamClient

log = structlog.stdlib.get_logger(__name__)

#: How long a worker tries to hand its batch back when Postgres is away (seconds).
MAX_HAND_BACK = 120.0
#: How much of a traceback is kept: its end (characters).
MAX_TRACEBACK = 10_000
#: Ends of batches that end one upon the other are gathered for so long (seconds).
GATHER = 0.003


class Kind(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def plan(self) -> Callable[[Work[Any]], Iterable[Item]] | None: ...
    @property
    def run(self) -> Callable[[Work[Any]], None]: ...
    @property
    def summary(self) -> Summary | None: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def batch_delay(self) -> timedelta: ...
    @property
    def ends_late(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    def read_options(self, options: Mapping[str, Any]) -> Options: ...


def work_batch(kind: Kind, lease: BatchLease, length: timedelta) -> Ended | None:
    """Plan and do the batch; returns the run when this was its last batch.

    A DBAPIError of a lost connection passes: what became of the batch is for the ledger to say.
    """
    try:
        return _attempt(kind, lease, length)
    except LeaseLost as lost:
        log.warning("batch.lost", reason=str(lost))
        return None


def _attempt(kind: Kind, lease: BatchLease, length: timedelta) -> Ended | None:
    with LeaseKeeper(lease, length) as keeper:
        try:
            options = kind.read_options(lease.run["options"])
            new_client = partial(_client, lease, keeper)
            with contextlib.closing(new_client()) as client:
                items = [Item(**row) for row in lease.items or []]
                work = Work(
                    lease, options, client, keeper, log, items, new_client, in_flight=kind.in_flight,
                    summary=kind.summary, ends_with_items=not kind.ends_late,
                )  # fmt: skip
                try:
                    return _do(kind, work)
                except Exception as error:
                    if work.end.is_written:
                        # All of it is done, and stored as done.
                        log.error("batch.failed_after_end", exc_info=error)
                        return work.end.run
                    _store_plan(work, error)
                    raise
        except ControlFlow as order:
            return _end_early(lease, order, kind.summary)
        except RateLimited as error:
            _wait(lease, error.upstream, str(error))
            return None
        except (OptionsError, SettingMissing, Blocked, AddressRefused) as error:
            return _end(lease, "failed", Ending(str(error), summary=kind.summary))
        except DBAPIError as error:
            if is_lost(error):
                raise
            return _retry_or_fail(lease, error, kind.summary)
        except Exception as error:
            return _retry_or_fail(lease, error, kind.summary)


def _end_early(lease: BatchLease, order: ControlFlow, summary: Summary | None) -> Ended | None:
    ending = Ending(str(order), summary=summary)
    match order:
        case QuotaWait():
            _wait(lease, order.upstream, str(order))
        case HandBack():
            log.info("batch.handed_back", reason=order.reason)
            with driver_transaction() as below:
                handed_back.hand_back_as(below, lease, order)
        case QuotaSpent():
            log.info("run.deferred", reason=str(order))
            with driver_transaction() as connection:
                return ended.defer(connection, lease, ending)
        case Stopped():
            return _end(lease, "stopped", ending)
        case DeadlineReached():
            return _end_run(lease, ending)
        case _:
            raise order
    return None


def _client(lease: BatchLease, keeper: LeaseKeeper) -> UpstreamClient:
    remembered = memo.BatchMemo(lease.run_id, lease.seq, resumed=lease.fence > 1)
    return UpstreamClient(
        run_id=lease.run_id, seq=lease.seq, settle_later=True, check=keeper.check, memo=remembered
    )


def _do(kind: Kind, work: Work[Any]) -> Ended | None:
    if work.lease.items is None:
        work.check()
        items = _asked_for(work, list(kind.plan(work)) if kind.plan else [Item("all")])
        work.batch = _accept_plan(kind, work, items)
    kind.run(work)
    left = [item.key for item in work.batch if item.state == "waiting"]
    if left:
        raise RuntimeError(f"{kind.name} left items without an outcome: {', '.join(left[:5])}")
    if work.end.is_written:
        return work.end.run
    return _end_done(work)


def _asked_for(work: Work[Any], items: list[Item]) -> list[Item]:
    """What a retry of failed items leaves of a plan."""
    if work.lease.run["retry_of"] is None:
        return items
    with driver_transaction() as connection:
        keys = retried.keys_of(connection, work.lease.run)
    return items if keys is None else [item for item in items if item.key in keys]


def _store_plan(work: Work[Any], error: BaseException) -> None:
    """Store a plan that no outcome has stored yet, so that what comes next knows what is left."""
    if (work.planned_only or work.end.is_pending) and not isinstance(error, (LeaseLost, DBAPIError)):
        with work.fenced() as connection:
            work.store_items(connection)


def _accept_plan(kind: Kind, work: Work[Any], items: list[Item]) -> list[Item]:
    """Store the plan: small ones stay in this batch, others are split; returns what is ours."""
    run = work.lease.run
    if len({item.key for item in items}) != len(items):
        raise RuntimeError(f"{kind.name} planned an item twice")
    size = run["batch_size"] or kind.batch_size
    if 0 < len(items) <= size and not work.client.called and not work.memoized:
        # Small, and nothing was paid for it: the first outcome stores it.
        if run["schedule"] is not None and len(items) > 1:
            with driver_transaction() as connection:
                items = _deferred_first(items, runs.deferred_keys(connection, run))
        work.planned_only = True
        return items
    with transaction() as connection:
        below = driver(connection)
        runs.lock_briefly(below, work.run_id)
        claimed.check_fence(below, work.lease)
        if run["schedule"] is not None:
            items = _deferred_first(items, runs.deferred_keys(below, run))
        work.client.settle(below)
        if work.memoized:
            memo.forget(below, work.run_id, work.seq)
        if len(items) <= size:
            work.batch = items
            work.store_items(connection)
            planned.add_batches(below, work.run_id, 0, len(items))
            return items
        rows = [item.row() for item in items]
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        work.store_items(connection)
        work.end.is_split = True
        delay = run["batch_delay"] if run["batch_delay"] is not None else kind.batch_delay
        planned.split(below, work.run_id, batches, delay)
    log.info("run.planned", items=len(items), batches=len(batches))
    return []


def _deferred_first(items: list[Item], deferred: set[str]) -> list[Item]:
    return sorted(items, key=lambda item: item.key not in deferred)


def _end(lease: BatchLease, state: str, ending: Ending) -> Ended | None:
    log.warning("batch.end", state=state, error=ending.error)
    with driver_transaction() as connection:
        return ended.end(connection, lease, state, ending)


def _end_run(lease: BatchLease, ending: Ending) -> Ended | None:
    """The run's time is over: this batch and all that have not begun end as failed."""
    log.warning("run.overdue", error=ending.error)
    with driver_transaction() as connection:
        runs.lock_briefly(connection, lease.run_id)
        ended.close_late(connection, lease.run_id, ending, running=False)
        return ended.end(connection, lease, "failed", ending)


def _wait(lease: BatchLease, upstream: str, reason: str) -> None:
    log.info("batch.handed_back", reason=reason, waiting_for=upstream)
    with driver_transaction() as connection:
        handed_back.wait_for_upstream(connection, lease, upstream, reason)


def _retry_or_fail(lease: BatchLease, error: Exception, summary: Summary | None) -> Ended | None:
    trace = redact(printable("".join(traceback.format_exception(error)), lines=True))[-MAX_TRACEBACK:]
    sentence = redact(cleaned(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"))
    log.error("batch.failed", attempt=lease.attempt + 1, of=lease.run["max_attempts"], exc_info=error)
    with driver_transaction() as connection:
        ending = Ending(sentence, trace, summary)
        return handed_back.retry_or_fail(connection, lease, ending)


def hand_back_when_possible(lease: BatchLease, reason: str) -> None:
    """Give the batch back as soon as Postgres answers; after a while leave it to its lease.

    A worker that shuts down tries once: a lease that ended while Postgres was away is nobody's death.
    """
    until = time.monotonic() + MAX_HAND_BACK
    for failures in itertools.count(1):
        if time.monotonic() > until:
            return
        try:
            with driver_transaction() as connection:
                handed_back.hand_back(connection, lease, reason)
        except LeaseLost:
            return
        except (OperationalError, InterfaceError):
            if shutdown.requested():
                return
            time.sleep(backoff(failures, 0.2, 5.0))
        else:
            return


def _end_done(work: Work[Any]) -> Ended | None:
    lease, items = work.lease, [item.row() for item in work.batch]
    stored = not (work.planned_only or work.end.is_pending)
    is_whole = lease.run["batch_count"] == 1 and not work.end.is_split
    if is_whole and not work.client.unsettled:
        found = _ends.ask(Done(lease, items, stored, work.summary))
        if found is not None:
            return found
    with driver_transaction() as connection:
        run = runs.lock_briefly(connection, lease.run_id)
        claimed.check_fence(connection, lease)
        if not stored:
            claimed.write_items(connection, lease, items)
        work.client.settle(connection)
        return ended.end_locked(connection, lease, run, "done", Ending(summary=work.summary))


def _end_all(ends: Sequence[Done]) -> list[Ended | None]:
    """The ends of many threads' batches in one statement."""
    with driver_connect() as connection:
        return ended.end_whole(connection, ends)


_ends: Bundles[Done, Ended | None] = Bundles(_end_all, gather=GATHER)
