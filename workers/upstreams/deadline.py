"""The time of one call, kept without signals: each step asks how much is left of it.

What cannot be interrupted (resolving a name) runs in a thread that is left behind when time is over.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

#: Threads at most that do what cannot be interrupted.
MAX_THREADS = 64

_deadline: ContextVar[float] = ContextVar("deadline")
_running: dict[Hashable, Future[Any]] = {}
_room = threading.Condition()


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Connections used inside end at ``deadline`` (monotonic clock, seconds), whatever happens."""
    before = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(before)


def left() -> float:
    """Seconds left of the call; TimeoutError when there are none."""
    seconds = _deadline.get() - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the response was not complete in time")
    return seconds


def in_time(key: Hashable, ask: Callable[[], T]) -> T:
    """What ``ask`` returns, from a thread that is left behind when the call's time ends first.

    Callers with the same ``key`` share one thread, so that a name that hangs costs one.
    """
    with _room:
        if not _room.wait_for(lambda: key in _running or len(_running) < MAX_THREADS, left()):
            raise TimeoutError(f"all {MAX_THREADS} threads for name lookups wait for a name server")
        future: Future[T] | None = _running.get(key)
        if future is None:
            future = _running[key] = Future()
            work = contextvars.copy_context().run
            threading.Thread(target=work, args=(_do, key, future, ask), daemon=True).start()
    return future.result(left())


def _do(key: Hashable, future: Future[Any], ask: Callable[[], Any]) -> None:
    room = _room
    try:
        future.set_result(ask())
    except BaseException as error:
        future.set_exception(error)
    finally:
        with room:
            if _running.get(key) is future:
                del _running[key]
            room.notify_all()


def reset() -> None:
    """Forget what runs: a forked child has none of its parent's threads."""
    global _room  # noqa: PLW0603 - a lock that another thread held at the fork is held for ever
    _room = threading.Condition()
    _running.clear()
