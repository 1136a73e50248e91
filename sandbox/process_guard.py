"""Runs one command in a process group of its own, and ends the whole group when its owner is gone.

Its standard input is a pipe that the owner holds open: when the owner ends, however it ends, the pipe
closes.  A pool's children, which survive a killed parent, are then ended too.  Should the guard itself
be killed, the kernel ends the command (Linux only).  Run as a file, not as a module: it needs nothing
but the standard library.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Any

#: Linux' prctl option "send me this signal when my parent ends" (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def _end_group(pid: int, first: int, grace: float) -> None:
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


def _start(given: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    identity: dict[str, Any] = (
        {"user": given.user, "group": given.group, "extra_groups": []} if given.user else {}
    )
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def end_with_guard() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, given.orphan_signal)

    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_guard,  # noqa: PLW1509 - this process has one thread
        **identity,
    )
    if given.report is not None:
        os.write(given.report, b"%d\n" % child.pid)
        os.close(given.report)
    return child


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument("--report", type=int, help="descriptor that the command's number is written to")
    parser.add_argument("--orphan-signal", type=int, default=int(signal.SIGKILL))
    parser.add_argument("--orphan-grace", type=float, default=3.0, help="seconds")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def main() -> int:
    """Run the command; the exit status is the command's (128 + n after signal n, as in a shell)."""
    given = _arguments()
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, forward)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = _start(given)
    for missed in early:
        forward(missed, None)
    owner = sys.stdin.fileno()
    while child.poll() is None:
        readable, _, _ = select.select([owner, woken], [], [], 2.0)
        if woken in readable:
            os.read(woken, 512)
        if owner in readable and not os.read(owner, 1):
            _end_group(child.pid, given.orphan_signal, given.orphan_grace)
            return 1
    _end_group(child.pid, signal.SIGKILL, 0.5)
    status = child.returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
