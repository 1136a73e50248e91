"""One bit shared by a worker's main process and its pool: "finish your call and hand back the rest".

Celery tells pool processes nothing of a warm shutdown; a page of memory mapped before the fork does.
"""

from __future__ import annotations

import mmap

_FLAG = mmap.mmap(-1, 1)


def request() -> None:
    """Ask every process that was forked from this one to hand back what it has not begun."""
    _FLAG[0] = 1


def requested() -> bool:
    """Whether the worker is shutting down."""
    return _FLAG[0] == 1


def reset() -> None:
    """Forget an earlier request (a worker that starts in a process which had one, as tests do)."""
    _FLAG[0] = 0
