"""What a kind works one batch with: its items, its options, its client, its transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from workers.db import Driver, driver, driver_transaction, is_passing, transaction
from workers.errors import Blocked, ControlFlow, RateLimited, SettingMissing, WatchkeeperError
from workers.execution import concurrency
from workers.execution.items import BatchEnd, Item, are_last, rows_of
from workers.execution.lazy import LazyTransaction
from workers.execution.lease import LeaseKeeper
from workers.ledger import claimed, memo, runs
from workers.ledger.claimed import BatchLease
from workers.ledger.ended import end_locked
from workers.ledger.finished import Ended, Ending, Summary
from workers.ledger.kinds import Options
from workers.redaction import redact
from workers.text.cleaning import cleaned
from workers.upstreams.client import UpstreamClient

O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(slots=True)
class Work(Generic[O]):
    """One batch in a worker's hands; every write goes through ``done`` or ``save``."""

    lease: BatchLease
    options: O
    client: UpstreamClient
    keeper: LeaseKeeper
    log: structlog.stdlib.BoundLogger
    batch: list[Item]
    #: Makes another client for the same batch.
    new_client: Callable[[], UpstreamClient]
    #: How many items of the batch its kind works at once, at most.
    in_flight: int = 1
    #: The plan is known here alone: the first outcome stores it.
    planned_only: bool = False
    #: What each ``memoize`` of the plan returned; None before the first.
    memoized: dict[str, Any] | None = None
    #: A kind's words for its counts; whether it writes nothing after the outcome of its last item.
    summary: Summary | None = None
    ends_with_items: bool = True
    end: BatchEnd = field(default_factory=BatchEnd)
    #: The first item of the outcome that is being written, as it will be.
    _draft: Item | None = None

    @property
    def run_id(self) -> UUID:
        return self.lease.run_id

    @property
    def seq(self) -> int:
        return self.lease.seq

    @property
    def schedule(self) -> str | None:
        return self.lease.run["schedule"]  # type: ignore[no-any-return]

    @property
    def due_at(self) -> datetime:
        return self.lease.run["due_at"]  # type: ignore[no-any-return]

    def check(self) -> None:
        """End the batch here if it must end: its lease is lost, its run stopped or too late."""
        self.keeper.check()

    def yield_worker(self) -> None:
        """Hand the batch back when its time slice is used up.

        A kind calls it between two steps of a long item, where all that was paid for is kept; ``items``
        and ``groups`` call it.
        """
        self.keeper.yield_worker()

    def now(self) -> datetime:
        """The database's clock, from when the batch was claimed on: the worker's own may be wrong."""
        return self.lease.claimed_at + timedelta(seconds=time.monotonic() - self.lease.claimed)

    def items(self) -> Iterator[Item]:
        """Unfinished items, one by one; between two it ends the batch when it has to."""
        for (item,) in self.groups(1):
            yield item

    def groups(self, size: int) -> Iterator[list[Item]]:
        waiting = (item for item in self.batch if item.state == "waiting")
        while group := list(islice(waiting, size)):
            self.check()
            self.yield_worker()
            yield group

    def each(
        self,
        do: Callable[[Work[O], Item], None],
        *,
        at_once: int | None = None,
        slow: float = concurrency.SLOW,
    ) -> None:
        """``do`` every waiting item, up to the kind's ``in_flight`` at once, or ``at_once`` if less.

        ``do`` gets a Work of its own for it.  Another is begun beside one that takes ``slow`` seconds.
        """
        concurrency.work_groups(
            self,
            lambda waiting: waiting[:1],
            lambda part, items: do(part, items[0]),
            self.in_flight if at_once is None else min(self.in_flight, at_once),
            once=True,
            slow=slow,
        )

    def each_group(
        self,
        pick: Callable[[list[Item]], list[Item]],
        do: Callable[[Work[O], list[Item]], None],
    ) -> None:
        """``each``, group by group: ``pick`` takes one of the items that wait, until none is left."""
        concurrency.work_groups(self, pick, do, self.in_flight, once=False)

    def part(self) -> Work[O]:
        """This batch for another thread: with a client of its own, and outcomes of its own."""
        return replace(self, client=self.new_client(), _draft=None)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction for reading; nothing written in it is fenced, so write nothing."""
        with transaction() as connection:
            yield connection

    @contextmanager
    def fenced(self) -> Iterator[Connection]:
        """One transaction for the caller's rows; it commits only while the lease is valid."""
        with transaction() as connection:
            if self.end.is_written:
                # By its own last outcome: the fence is nobody else's any more.
                claimed.check_ended(driver(connection), self.lease)
            elif claimed.check_fence(driver(connection), self.lease):
                self.keeper.stop()
            yield connection

    def memoize(self, name: str, ask: Callable[[], Any]) -> Any:
        """What ``ask`` returns (JSON), for a plan that must call; kept under ``name`` at once.

        A plan that had to wait, or whose worker died, is made again from its beginning; the calls that
        were paid for are not made again.
        """
        if self.memoized is None:
            with driver_transaction() as below:
                resumed = self.lease.fence > 1
                self.memoized = memo.recall(below, self.run_id, self.seq) if resumed else {}
        if name not in self.memoized:
            self.check()
            value = ask()
            with self.fenced() as connection:
                memo.keep(driver(connection), self.run_id, self.seq, name, value)
                self.client.settle(driver(connection))
            self.memoized[name] = value
        return self.memoized[name]

    def store_items(self, connection: Connection) -> None:
        claimed.write_items(driver(connection), self.lease, [item.row() for item in self.batch])

    @contextmanager
    def attempt(self, *items: Item) -> Iterator[None]:
        """Keep an error of these items to themselves; what concerns the whole batch passes on."""
        try:
            yield
        except (ControlFlow, RateLimited, Blocked, SettingMissing):
            raise
        except DBAPIError as error:
            if is_passing(error):
                raise
            self._fail_unexpected(error, items)
        except WatchkeeperError as error:
            self.fail(*items, error=str(error))
        except Exception as error:
            self._fail_unexpected(error, items)

    def _fail_unexpected(self, error: Exception, items: tuple[Item, ...]) -> None:
        self.log.error("item.broken", items=[item.key for item in items], exc_info=error)
        first_line = redact(str(error).partition("\n")[0])
        self.fail(*items, error=redact(cleaned(f"{type(error).__name__}: {first_line}")))

    @contextmanager
    def done(self, *items: Item, **counts: int) -> Iterator[Connection]:
        """One transaction: the caller's rows, these items done, their calls settled; or nothing."""
        with self._outcome(items, "done", counts) as connection:
            yield connection

    @contextmanager
    def save(
        self, *items: Item, counts: dict[str, int] | None = None, **data: Any
    ) -> Iterator[Connection]:
        """One transaction: the caller's rows and how far these items got; they stay unfinished."""
        with self._outcome(items, "waiting", counts or {}, data) as connection:
            yield connection

    def fail(self, *items: Item, error: str) -> None:
        with self.failing(*items, error=error):
            pass

    @contextmanager
    def failing(self, *items: Item, error: str) -> Iterator[Connection]:
        """One transaction: the caller's rows and these items failed, with the reason; or nothing."""
        with self._outcome(items, "failed", {}, error=error) as connection:
            self.log.warning("item.failed", items=[item.key for item in items], error=error)
            yield connection

    def defer(self, *items: Item, reason: str) -> None:
        """Leave these items for the schedule's next run."""
        with self._outcome(items, "deferred", {}, error=reason):
            self.log.info("item.deferred", items=[item.key for item in items], reason=reason)

    def count(self, **counts: int) -> None:
        """Add to the counts of the outcome being written (inside ``done`` or ``save``)."""
        self._written().add(counts)

    def note(self, **data: Any) -> None:
        """Add to the data of the outcome being written (inside ``save``)."""
        self._written().data.update(data)

    def _written(self) -> Item:
        if self._draft is None:
            raise RuntimeError("count() and note() belong in a done() or save() block")
        return self._draft

    @contextmanager
    def _outcome(
        self,
        items: tuple[Item, ...],
        state: str,
        counts: dict[str, int],
        data: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> Iterator[Connection]:
        """The items change in memory after the commit; the last ones end the batch with it."""
        drafts = [item.draft(state, data or {}, error) for item in items]
        self._draft = drafts[0] if drafts else None
        if drafts:
            drafts[0].add(counts)
        last = self.ends_with_items and state != "waiting" and are_last(items, self.batch)
        ended: Ended | None = None
        try:
            with LazyTransaction(lambda: self._begin_outcome(last=last)) as lazy:
                yield cast("Connection", lazy)
                written = lazy.is_open or not last or self.client.unsettled
                if written:
                    below = driver(lazy.open())
                    self._store(below, dict(zip(map(id, items), drafts, strict=True)))
                    if last:
                        say = Ending(summary=self.summary)
                        ended = end_locked(below, self.lease, self.end.locked, "done", say)
        finally:
            self._draft = None
        if written:
            self.planned_only = False
        self.end.note(ended, last=last, written=written)
        for item, draft in zip(items, drafts, strict=True):
            item.become(draft)

    @contextmanager
    def _begin_outcome(self, *, last: bool) -> Iterator[Connection]:
        """A fenced transaction; one that ends the batch locks its run first, as all do."""
        if not last:
            with self.fenced() as connection:
                yield connection
            return
        with transaction() as connection:
            self.end.locked = runs.lock_briefly(driver(connection), self.run_id)
            if claimed.check_fence(driver(connection), self.lease):
                self.keeper.stop()
            yield connection

    def _store(self, connection: Driver, drafts: dict[int, Item]) -> None:
        """Write these items as they will be, with the first outcome of a small run its whole plan."""
        self.client.settle(connection)
        rows = rows_of(self.batch, drafts, whole=self.planned_only)
        claimed.write_items(connection, self.lease, rows)
