"""A page shared by a worker's main process and its pool: "hand back the rest", and who is busy.

Celery tells pool processes nothing of a warm shutdown; a page of memory mapped before the fork does.
Byte 0 asks for the end; each process of the pool has a byte of its own behind it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from billiard import current_process

_PAGE = mmap.mmap(-1, mmap.PAGESIZE)


def request() -> None:
    """Ask every process that was forked from this one to hand back what it has not begun."""
    _PAGE[0] = 1


def requested() -> bool:
    """Whether the worker is shutting down."""
    return _PAGE[0] == 1


def reset() -> None:
    """Forget an earlier worker of this process (tests start several)."""
    _PAGE[:] = bytes(len(_PAGE))


def _own() -> int:
    """This process's byte: by its place in the pool, which its successor takes over."""
    return 1 + int(getattr(current_process(), "index", 0)) % (len(_PAGE) - 1)


@contextmanager
def busy() -> Iterator[None]:
    """This process has a batch in hand."""
    _PAGE[_own()] = 1
    try:
        yield
    finally:
        _PAGE[_own()] = 0


def idle() -> None:
    """This process is new: whoever had its place before it may have been killed in the middle."""
    _PAGE[_own()] = 0


def anybody_busy() -> bool:
    """Whether a process of this worker has a batch in hand."""
    return _PAGE.find(b"\x01", 1) >= 0
