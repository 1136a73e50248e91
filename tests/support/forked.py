"""Processes without a start of Python, which would be most of the CPU of a small server."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from multiprocessing.connection import wait
from pkgutil import resolve_name
from typing import Any

from sandbox.processes import Process

#: What `python -m sandbox.upstreams` runs.
IMITATION = "sandbox.upstreams.__main__:main"
#: Forks them from a process that has no threads, and has imported this.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "sandbox.upstreams.__main__", "sandbox.upstreams.smtp"])


class Forked(Process):
    """A function that reads its command line (``module:function``, argument …), in a process of its own."""

    _child: Any = None

    def start(self) -> None:
        self._child = FORKS.Process(target=_run, args=(self.command, str(self.log)), daemon=True)
        self._child.start()

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.is_alive()

    @property
    def status(self) -> int | None:
        return None if self._child is None else self._child.exitcode

    def wait(self, seconds: float) -> int | None:
        if self._child is not None:
            self._child.join(seconds)
        return self.status

    def close_pipe(self) -> None:
        if self.running:
            self._child.kill()


def _run(command: list[str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = command
    resolve_name(command[0])()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
