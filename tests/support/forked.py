"""Processes without a start of Python and without the imports of libraries, which are most of their CPU."""

from __future__ import annotations

import atexit
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing import util
from multiprocessing.connection import wait
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from sandbox import process_guard
from sandbox.processes import NotStarted, Process

#: What `python -m celery` and `python -m sandbox.upstreams` run.
CELERY, IMITATION = "celery.__main__:main", "sandbox.upstreams.__main__:main"
#: Libraries that a worker, a beat and an imitation import.
LIBRARIES = (
    "celery.bin.celery", "celery.fixups.django", "celery.loaders.app",
    "kombu.transport.redis", "lark", "httpx2", "price_parser", "psycopg.types.json", "pydantic_settings",
    "rapidfuzz", "redis.asyncio", "rich.traceback", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.orm",
    "structlog", "tornado.web", "yaml",
)  # fmt: skip
#: Forks them from a process that has no threads.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [*LIBRARIES, "aiosmtpd.smtp", IMITATION.partition(":")[0], "tests.support.preloaded", __name__]
)
# A collection of garbage in a child would copy the pages of what it shares.
gc.freeze()


def forget() -> None:
    """End what forks: a worker of xdist ends without what Python does at its exit."""
    util._exit_function()


class Forked(Process):
    """A function that reads its command line (``module:function``, argument …) as `process_guard` runs a program."""

    _owned: Any = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self._pid, (reported, report) = None, FORKS.Pipe(duplex=False)
        given = (report, self.command, self.log, self._env, self._cwd or Path.cwd())
        self._owned = FORKS.Process(target=_guard, args=given, name="MainProcess", daemon=True)
        self._owned.start()
        report.close()
        with reported:
            try:
                self._pid = reported.recv()
            except EOFError:
                raise NotStarted(f"{self.command[0]} was not started:\n{self.tail()}") from None

    @property
    def running(self) -> bool:
        return self._owned is not None and self._owned.is_alive()

    @property
    def status(self) -> int | None:
        return None if self._owned is None else self._owned.exitcode

    def wait(self, seconds: float) -> int | None:
        if self._owned is not None:
            self._owned.join(seconds)
        return self.status

    def close_pipe(self) -> None:
        if self.running:
            process_guard._end_group(self.pid, signal.SIGKILL, 0.0)


def _guard(report: Any, command: list[str], log: Path, env: dict[str, str], cwd: Path) -> None:
    pid = os.fork()
    if not pid:
        report.close()
        _become(command, log, env, cwd)
    # At the end of its owner, daemons are terminated.
    signal.signal(signal.SIGTERM, lambda *_: _end(pid))
    report.send(pid)
    report.close()
    threading.Thread(target=_end_with_owner, args=(pid,), daemon=True).start()
    _, ended = os.waitpid(pid, 0)
    process_guard._end_group(pid, signal.SIGKILL, 0.5)
    status = os.waitstatus_to_exitcode(ended)
    os._exit(status if status >= 0 else 128 - status)


def _end_with_owner(pid: int) -> None:
    owner = multiprocessing.parent_process()
    assert owner is not None
    wait([owner.sentinel])
    _end(pid)


def _end(pid: int) -> None:
    process_guard._end_group(pid, signal.SIGKILL, 0.0)
    os._exit(1)


def _become(command: list[str], log: Path, env: dict[str, str], cwd: Path) -> None:
    """Be the program: ends this process."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(process_guard.PR_SET_PDEATHSIG, signal.SIGKILL)
    streams = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
    )
    for to, opened in enumerate((streams[0], streams[1], streams[1])):
        os.dup2(opened, to)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    tempfile.tempdir = None
    preloaded = sys.modules.get("tests.support.preloaded")
    if preloaded is not None:
        preloaded.read_anew()
    function = resolve_name(command[0])
    sys.argv = [str(sys.modules[function.__module__].__file__), *command[1:]]
    status = _status_of(function)
    # What Python does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _status_of(function: Callable[[], None]) -> int:
    try:
        function()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
