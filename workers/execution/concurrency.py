"""Several items of one batch at once, each in a thread with a client and outcomes of its own.

What waits for a permit does not end the batch while other items go on: its thread ends, and the item is
taken again.  So no more threads stay than the upstream serves.  Items that take no time stay in order:
another thread begins only when one of them is slow.
"""

import contextlib
import contextvars
import math
import threading
import time
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
#: An item that takes longer is waiting for somebody else: others need not wait with it (seconds).
SLOW = 0.1
#: Of several errors the one that says most about the batch is raised: the first kind that fits.
FIRST = (LeaseLost, Stopped, DBAPIError, ControlFlow, Exception)


def work_groups(
    work: Work, pick: Pick, do: Do, at_once: int, *, once: bool, slow: float = SLOW
) -> None:
    """``do`` what ``pick`` takes from the waiting items until none is left, ``at_once`` at most.

    ``once``: an item that is left without an outcome is not taken again.
    """
    groups = _Groups(work, pick, do, once=once, slow=slow)
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
    def __init__(self, work: Work, pick: Pick, do: Do, *, once: bool, slow: float) -> None:
        self._work, self._pick, self._do = work, pick, do
        self._once, self._slow = once, slow
        self._changed = threading.Condition()
        #: Items in hand, and since when.
        self._taken: dict[int, float] = {}
        #: Items that are not taken again.
        self._tried: set[int] = set()
        self._errors: list[BaseException] = []
        #: Whether the batch's own thread has left.
        self._deserted = False
        self.threads = 1

    def waiting(self) -> list[Item]:
        return [
            item
            for item in self._work.batch
            if item.state == "waiting" and id(item) not in self._taken and id(item) not in self._tried
        ]

    def step(self, part: Work, *, patient: bool = False) -> bool:
        """Do one group; False when there is none.  ``patient``: only when others are slow."""
        group = self._take(patient=patient)
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
        own = part is self._work
        wait, patient = None, not own
        try:
            # Closing settles calls, and may fail as any step may.
            with contextlib.nullcontext() if own else contextlib.closing(part.client):
                while self.step(part, patient=patient):
                    patient = False
        except QuotaWait as refused:
            wait = refused
        except BaseException as error:
            self._fail(error)
        self._leave(wait, own=own)

    def _take(self, *, patient: bool) -> list[Any]:
        with self._changed:
            while not self._errors:
                group = self._pick(self.waiting())
                if group and (not patient or self._deserted or self._is_slow()):
                    now = time.monotonic()
                    self._taken |= {id(item): now for item in group}
                    return group
                # What others have in hand may come back, to be done in smaller groups.
                if not group and not self._taken:
                    return []
                self._changed.wait(self._slow if group else None)
            return []

    def _is_slow(self) -> bool:
        return min(self._taken.values(), default=math.inf) < time.monotonic() - self._slow

    def _put_down(self, group: list[Item], *, tried: bool) -> None:
        with self._changed:
            for item in group:
                del self._taken[id(item)]
            if tried:
                self._tried |= set(map(id, group))
            self._changed.notify_all()

    def _leave(self, wait: QuotaWait | None, *, own: bool) -> None:
        """This thread ends; what it waited for ends the batch only when no other goes on."""
        with self._changed:
            self.threads -= 1
            self._deserted |= own
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
