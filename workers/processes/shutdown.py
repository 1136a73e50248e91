"""Shutdown flags in memory shared by a worker's main process and its pool.

Celery does not inform pool processes of a warm shutdown; a page of memory mapped before the fork does.
Byte 0 requests the shutdown; each process of the pool has one of the other bytes, set while it is busy.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from billiard import current_process

_PAGE = mmap.mmap(-1, mmap.PAGESIZE)


def request() -> None:
    _PAGE[0] = 1


def requested() -> bool:
    return _PAGE[0] == 1


def reset() -> None:
    """Forget an earlier worker of this process (tests start several)."""
    _PAGE[:] = bytes(len(_PAGE))


def _own() -> int:
    """Index of this process's byte, by its place in the pool, which its successor takes over."""
    return 1 + int(getattr(current_process(), "index", 0)) % (len(_PAGE) - 1)


@contextmanager
def busy() -> Iterator[None]:
    _PAGE[_own()] = 1
    try:
        yield
    finally:
        _PAGE[_own()] = 0


def idle() -> None:
    """Clear the byte, which a killed predecessor may have left set."""
    _PAGE[_own()] = 0


def anybody_busy() -> bool:
    return _PAGE.find(b"\x01", 1) >= 0
