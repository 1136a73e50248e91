"""Workers whose processes say where their CPU goes, for `bench_profile`.

An application in place of `workers.app`: each thread that works batches is profiled by its own CPU clock,
and what was found is added up in a file a process, in the folder that ``PROFILE`` names.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import tests.support.kinds  # noqa: F401 - registers the tests' kinds
from workers.app import app
from workers.execution.concurrency import _Groups
from workers.execution.session_loop import Session

__all__ = ["app"]

_lock = threading.Lock()
_thread = threading.local()
_found: list[pstats.Stats] = []


def _profiled(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def inner(*args: Any, **how: Any) -> Any:
        if getattr(_thread, "is_profiled", False):
            return function(*args, **how)
        profile = cProfile.Profile(time.thread_time)
        _thread.is_profiled = True
        try:
            return profile.runcall(function, *args, **how)
        finally:
            _thread.is_profiled = False
            with _lock:
                if _found:
                    _found[0].add(profile)
                else:
                    _found.append(pstats.Stats(profile))

    return inner


def _run(self: Session) -> None:
    try:
        _session(self)
    finally:
        with _lock:
            if _found:
                _found[0].dump_stats(str(Path(os.environ["PROFILE"]) / f"{os.getpid()}.prof"))


_session = _profiled(Session.run)
if "PROFILE" in os.environ:
    Session.run = _run  # type: ignore[method-assign]
    Session._work = _profiled(Session._work)  # type: ignore[method-assign]
    _Groups.help = _profiled(_Groups.help)  # type: ignore[method-assign]
