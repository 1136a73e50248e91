"""Starts commands under the guard, so that nothing outlives us."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).with_name("process_guard.py")


class NotStarted(Exception):
    """A part did not come up; the text says which and why."""


#: What servers say when somebody else has their port: Postgres, Valkey, Python and Tornado.
_PORT_LOST = re.compile(r"address (is )?already in use|could not bind|is taken", re.IGNORECASE)
#: Where the kernel says from which range outgoing connections take their ports.
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: The first port that needs no care: below are those of well-known servers.
_FIRST_PORT = 20_000
#: Processes that seed `random` alike, as parallel tests do, must not draw the same ports.
_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a server runs as when we are root: Postgres refuses root."""

    uid: int
    gid: int


def unprivileged() -> Identity | None:
    """Somebody without rights ("nobody") when we are root, else None: we are that already."""
    return Identity(65534, 65534) if os.geteuid() == 0 else None


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    return free_ports(["one"])["one"]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A free port for each name, all different; nobody keeps them for us.

    Any connection that somebody opens may take a port of the kernel's own choice a moment later, so
    they are taken by chance from below that range.
    """
    with contextlib.ExitStack() as held:
        return {name: _hold_one(held.enter_context(socket.socket())) for name in names}


def _hold_one(probe: socket.socket) -> int:
    for _ in range(100):
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _CHANCE.randrange(_FIRST_PORT, _outgoing())))
            break
    else:
        probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    return port


@functools.cache
def _outgoing() -> int:
    """The first port of outgoing connections, where there is room below it."""
    with contextlib.suppress(OSError, ValueError):
        first = int(_RANGE.read_text().split()[0])
        if first > _FIRST_PORT + 1000:
            return first
    return 32_768


def is_port_lost(error: NotStarted, ports: Iterable[int]) -> bool:
    """Whether a part did not start because somebody has its port; all of ours have ended."""
    return _PORT_LOST.search(str(error)) is not None or any(map(is_taken, ports))


def is_taken(port: int) -> bool:
    """Whether somebody listens on the port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


class Process:
    """One guarded command; its output goes to ``log``."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        identity: Identity | None = None,
        cwd: Path | None = None,
        orphan_signal: int = signal.SIGKILL,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._env = {**os.environ, **(env or {})}
        self._identity = identity
        self._cwd = cwd
        self._orphan_signal = orphan_signal
        self._guard: subprocess.Popen[bytes] | None = None
        self._report = -1
        self._pid: int | None = None

    def start(self) -> None:
        """Start the command; its earlier log is kept."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        who = []
        if self._identity is not None:
            who = ["--user", str(self._identity.uid), "--group", str(self._identity.gid)]
        self._forget()
        self._pid, (self._report, report) = None, os.pipe()
        try:
            with self.log.open("ab") as output:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", str(GUARD), *who, "--report", str(report),
                     "--orphan-signal", str(self._orphan_signal), "--", *self.command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                    pass_fds=(report,),
                )  # fmt: skip
        finally:
            os.close(report)

    @property
    def pid(self) -> int:
        """The command's own process number, which is its group's too; NotStarted when there is none."""
        if self._pid is None:
            told = b"" if self._report < 0 else os.read(self._report, 32)
            if not told:
                raise NotStarted(f"{self.command[0]} was not started:\n{self.tail()}")
            self._pid = int(told)
        return self._pid

    def _forget(self) -> None:
        """Let go of what has ended; end what a guard left behind that was itself killed."""
        self.let_go()
        if self._guard is not None and (self._guard.poll() or 0) < 0:
            with contextlib.suppress(ProcessLookupError, PermissionError, NotStarted):
                os.killpg(self.pid, signal.SIGKILL)
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    @property
    def running(self) -> bool:
        """Whether the command runs."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status, None while it runs."""
        return self._guard.poll() if self._guard is not None else None

    def send(self, number: int) -> None:
        """Send a signal to the command itself, if it runs."""
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError, NotStarted):
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end at most so long; None when it still runs."""
        if self._guard is None:
            return None
        try:
            return self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, number: int = signal.SIGTERM, grace: float = 10.0) -> None:
        """Ask it to end; after ``grace`` seconds end its whole group."""
        self.send(number)
        self.wait(grace)
        self.let_go()
        self.wait(10.0)
        self._forget()

    def let_go(self) -> None:
        """Close the guard's pipe: it ends the command's whole group at once."""
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()

    def kill(self) -> None:
        """Kill -9 the command itself, as a fault would."""
        self.send(signal.SIGKILL)
        self.wait(10.0)
        self.let_go()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return "(no log)"
        text = self.log.read_bytes()[-20_000:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])


def wait_until(ready: Callable[[], bool], process: Process, name: str, seconds: float = 60.0) -> None:
    """Wait until ``ready()``; NotStarted, with the end of the log, when that does not come."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ready():
            return
        if not process.running:
            raise NotStarted(f"{name} ended with status {process.status}:\n{process.tail()}")
        time.sleep(0.02)
    raise NotStarted(f"{name} was not ready within {seconds:.0f} s:\n{process.tail()}")
