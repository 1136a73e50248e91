"""What a kind holds while it works one batch: its items, its options, its door, its transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from workers.db import driver, is_passing, transaction
from workers.errors import Blocked, ControlFlow, RateLimited, SettingMissing, WatchkeeperError
from workers.ledger import claims, memo
from workers.ledger.claims import Claim
from workers.ledger.kinds import Options
from workers.redaction import redact
from workers.text import cleaned
from workers.upstreams.client import UpstreamClient

O = TypeVar("O", bound=Options)  # noqa: E741

#: An item's error is kept for people to read, not to store pages in (characters).
LONGEST_ERROR = 500


@dataclass(slots=True)
class Item:
    """One thing to do: a symbol, a token, a page; kept with its outcome in `batch.items`."""

    key: str
    data: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    counts: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """The item as it is stored: what is empty is left out."""
        full = {
            "key": self.key,
            "state": self.state,
            "data": self.data,
            "counts": self.counts,
            "error": self.error,
        }
        return {name: value for name, value in full.items() if value}


@dataclass(slots=True)
class Work(Generic[O]):
    """One batch in a worker's hands; every write goes through ``done`` or ``save``."""

    claim: Claim
    options: O
    client: UpstreamClient
    check: Callable[[], None]
    log: structlog.stdlib.BoundLogger
    batch: list[Item]
    #: Called when a transaction learns that the run is asked to stop.
    on_stop: Callable[[], None] = lambda: None
    #: Gives the worker back, by HandBack, when this batch has had it for long.  A kind calls it between
    #: two steps of a long item, where all that was paid for is kept; ``items`` and ``groups`` call it.
    rest: Callable[[], None] = lambda: None
    #: The plan is known here alone: the first outcome stores it.
    planned_only: bool = False
    #: What each `step` of the plan brought; None before the first.
    steps: dict[str, Any] | None = None
    _counting: Item | None = None

    @property
    def run_id(self) -> UUID:
        """The run this batch is part of."""
        return self.claim.run_id

    @property
    def seq(self) -> int:
        """The batch's number in its run, from 0."""
        return self.claim.seq

    @property
    def schedule(self) -> str | None:
        """Name of the schedule, or None for a run made by hand."""
        return self.claim.run["schedule"]  # type: ignore[no-any-return]

    @property
    def due_at(self) -> datetime:
        """The due time that the run stands for."""
        return self.claim.run["due_at"]  # type: ignore[no-any-return]

    def now(self) -> datetime:
        """The database's clock."""
        with transaction() as connection:
            return connection.execute(text("select clock_timestamp()")).scalar_one()  # type: ignore[no-any-return]

    def items(self) -> Iterator[Item]:
        """Unfinished items, one by one; between two it ends the batch when it has to."""
        for item in self.batch:
            if item.state == "waiting":
                self.check()
                self.rest()
                yield item

    def groups(self, size: int) -> Iterator[list[Item]]:
        """Unfinished items, up to ``size`` at a time."""
        waiting = (item for item in self.batch if item.state == "waiting")
        while group := list(islice(waiting, size)):
            self.check()
            self.rest()
            yield group

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction for reading; nothing written in it is fenced, so write nothing."""
        with transaction() as connection:
            yield connection

    def step(self, name: str, ask: Callable[[], Any]) -> Any:
        """What ``ask`` returns (JSON), for a plan that must call; kept under ``name`` at once.

        A plan that had to wait, or whose worker died, is made again from its beginning; the steps that
        were paid for are not asked again.
        """
        if self.steps is None:
            with self.read() as connection:
                resumed = self.claim.fence > 1
                self.steps = memo.recall(driver(connection), self.run_id, self.seq) if resumed else {}
        if name not in self.steps:
            self.check()
            value = ask()
            with claims.fenced(self.claim, self.on_stop) as connection:
                memo.keep(driver(connection), self.run_id, self.seq, name, value)
                self.client.settle(connection)
            self.steps[name] = value
        return self.steps[name]

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
        self, item: Item, counts: dict[str, int] | None = None, **data: Any
    ) -> Iterator[Connection]:
        """One transaction: the caller's rows and how far ``item`` got; it stays unfinished."""
        with self._outcome((item,), "waiting", counts or {}, data) as connection:
            yield connection

    def fail(self, *items: Item, error: str) -> None:
        """Keep these items as failed, with the reason."""
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
        if self._counting is None:
            raise RuntimeError("count() belongs inside a done() or save() block")
        _add(self._counting.counts, counts)

    @contextmanager
    def _outcome(
        self,
        items: tuple[Item, ...],
        state: str,
        counts: dict[str, int],
        data: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> Iterator[Connection]:
        before = [replace(item, data={**item.data}, counts={**item.counts}) for item in items]
        for item in items:
            item.state = state
            item.data.update(data or {})
            item.error = error[:LONGEST_ERROR] if error else None
        self._counting = items[0] if items else None
        if self._counting is not None:
            _add(self._counting.counts, counts)
        try:
            with claims.fenced(self.claim, self.on_stop) as connection:
                yield connection
                claims.write_items(connection, self.claim, [item.row() for item in self.batch])
                self.client.settle(connection)
            self.planned_only = False
        except BaseException:
            for item, old in zip(items, before, strict=True):
                item.state, item.data = old.state, old.data
                item.counts, item.error = old.counts, old.error
            raise
        finally:
            self._counting = None


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number


def restore(rows: list[dict[str, Any]]) -> list[Item]:
    """Items as they were stored."""
    return [Item(**row) for row in rows]
