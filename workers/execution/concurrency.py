"""Several items of one batch at once, each in a thread with a client and outcomes of its own.

What waits for a permit does not end the batch while other items go on: its thread ends, and the item is
taken again.  So no more threads stay than the upstream serves.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from workers.errors import ControlFlow, LeaseLost, QuotaWait, Stopped


class Item(Protocol):
    state: str


class Work(Protocol):
    """A batch as one thread has it in hand."""

    planned_only: bool

    @property
    def batch(self) -> Sequence[Any]: ...
    @property
    def client(self) -> Any: ...
    def check(self) -> None: ...
    def yield_worker(self) -> None: ...
    def attempt(self, *items: Any) -> AbstractContextManager[None]: ...
    def fenced(self) -> AbstractContextManager[Connection]: ...
    def store_items(self, connection: Connection) -> None: ...
    def part(self) -> Self: ...


Pick = Callable[[list[Any]], list[Any]]
Do = Callable[[Any, list[Any]], None]
#: Of several errors the one that says most about the batch is raised: the first kind that fits.
FIRST = (LeaseLost, Stopped, DBAPIError, ControlFlow, Exception)


def work_groups(work: Work, pick: Pick, do: Do, at_once: int, *, once: bool) -> None:
    """``do`` what ``pick`` takes from the waiting items until none is left, ``at_once`` at most.

    ``once``: an item that is left without an outcome is not taken again.
    """
    groups = _Groups(work, pick, do, once=once)
    if at_once <= 1 or len(groups.waiting()) <= 1:
        while groups.step(work):
            pass
        return
    if work.planned_only:
        # The first outcome would store it, and here several may be the first.
        with work.fenced() as connection:
            work.store_items(connection)
        work.planned_only = False
    helpers = [
        threading.Thread(
            target=contextvars.copy_context().run, args=(groups.help, work.part()), daemon=True
        )
        for _ in range(min(at_once, len(groups.waiting())) - 1)
    ]
    groups.threads = len(helpers) + 1
    for helper in helpers:
        helper.start()
    groups.help(work)
    for helper in helpers:
        helper.join()
    groups.raise_first()


class _Groups:
    def __init__(self, work: Work, pick: Pick, do: Do, *, once: bool) -> None:
        self._work, self._pick, self._do, self._once = work, pick, do, once
        self._changed = threading.Condition()
        self._taken: set[int] = set()
        #: Items that are not taken again.
        self._tried: set[int] = set()
        self._errors: list[BaseException] = []
        self.threads = 1

    def waiting(self) -> list[Item]:
        """Items without an outcome that nobody has in hand."""
        return [
            item
            for item in self._work.batch
            if item.state == "waiting" and id(item) not in self._taken | self._tried
        ]

    def step(self, part: Work) -> bool:
        """Do one group; False when there is none."""
        group = self._take()
        if not group:
            return False
        done = False
        try:
            part.check()
            part.yield_worker()
            with part.attempt(*group):
                self._do(part, group)
            done = True
        finally:
            self._put_down(group, tried=done and self._once)
        return True

    def help(self, part: Work) -> None:
        """Do group after group, with others, until none is left or one of them must end the batch."""
        with contextlib.ExitStack() as stack:
            if part is not self._work:
                stack.enter_context(contextlib.closing(part.client))
            try:
                while not self._errors and self.step(part):
                    pass
            except QuotaWait as wait:
                self._leave(wait)
                return
            except BaseException as error:
                self._fail(error)
        self._leave()

    def _take(self) -> list[Item]:
        with self._changed:
            while True:
                group = [] if self._errors else self._pick(self.waiting())
                # What others have in hand may come back, to be done in smaller groups.
                if group or not self._taken or self._errors:
                    self._taken |= set(map(id, group))
                    return group
                self._changed.wait()

    def _put_down(self, group: list[Item], *, tried: bool) -> None:
        with self._changed:
            self._taken -= set(map(id, group))
            if tried:
                self._tried |= set(map(id, group))
            self._changed.notify_all()

    def _leave(self, wait: QuotaWait | None = None) -> None:
        """This thread ends; what it waited for ends the batch only when no other goes on."""
        with self._changed:
            self.threads -= 1
            if wait is not None and not self.threads:
                self._errors.append(wait)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._errors.append(error)
            self._changed.notify_all()

    def raise_first(self) -> None:
        for kind in FIRST:
            for error in self._errors:
                if isinstance(error, kind):
                    raise error
        for error in self._errors:
            raise error
