"""Memory of a process with many threads."""

from __future__ import annotations

import ctypes
import os

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
