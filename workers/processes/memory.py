"""Memory of a process with many threads."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

#: M_ARENA_MAX of glibc's malloc.h.
_ARENA_MAX = -8
#: Heaps of a process; glibc makes up to eight a core, and threads that come and go fill them all.
_ARENAS = 2


def limit_arenas() -> None:
    """Let all threads of this process, and of those forked from it, share two heaps.

    ``MALLOC_ARENA_MAX`` in the environment decides where it is set. A C library without such heaps
    (musl, macOS) is left alone.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)


@contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage, which is a fifth of a start's time: modules stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@cache
def freeze_before_forks() -> None:
    """Let a process and those forked from it share what was made before.

    A collection writes into each object that it looks at, and so makes a copy of its page.
    """
    os.register_at_fork(before=_freeze)


def _freeze() -> None:
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Give back what the imports left free."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
