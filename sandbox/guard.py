"""Runs one command in a process group of its own, and ends the whole group when its owner is gone.

Its standard input is a pipe that the owner holds open: when the owner ends, however it ends, the pipe
closes.  A pool's children, which survive a killed parent, are then ended too.  Run as a file, not as a
module: it needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Any


def _end_group(pid: int, first: int, grace: float) -> None:
    """Ask the group to end, then make it."""
    for number, wait in ((first, grace), (signal.SIGKILL, 2.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        until = time.monotonic() + wait
        while time.monotonic() < until:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
            try:
                os.killpg(pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.02)


def main() -> int:
    """Run the command; the exit status is the command's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument("--orphan-signal", type=int, default=int(signal.SIGKILL))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    identity: dict[str, Any] = (
        {"user": given.user, "group": given.group, "extra_groups": []} if given.user else {}
    )
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **identity)

    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, forward)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0.1)
        if readable and not os.read(sys.stdin.fileno(), 1):
            _end_group(child.pid, given.orphan_signal, 3.0)
            return 1
    _end_group(child.pid, signal.SIGKILL, 0.5)
    status = child.returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
