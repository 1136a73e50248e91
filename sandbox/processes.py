"""Starts commands under process_guard.py, so that none outlives the sandbox."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).with_name("process_guard.py")


class NotStarted(Exception):
    """A part did not start; the text has its name and the reason."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a server runs as when we are root: Postgres refuses root."""

    uid: int
    gid: int


def unprivileged() -> Identity | None:
    """The user "nobody" when this process is root, else None."""
    return Identity(65534, 65534) if os.geteuid() == 0 else None


class Process:
    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        identity: Identity | None = None,
        cwd: Path | None = None,
        orphan_signal: int = signal.SIGKILL,
        orphan_grace: float = 3.0,
    ) -> None:
        """``orphan_signal`` goes to the group when its owner is gone; ``orphan_grace`` later it is killed."""
        self.command = list(command)
        self.log = log
        self._env = {**os.environ, **(env or {})}
        self._identity = identity
        self._cwd = cwd
        self._orphan_signal, self._orphan_grace = orphan_signal, orphan_grace
        self._guard: subprocess.Popen[bytes] | None = None
        self._report = -1
        self._pid: int | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        who = []
        if self._identity is not None:
            who = ["--user", str(self._identity.uid), "--group", str(self._identity.gid)]
        self._forget()
        self._pid, (self._report, report) = None, os.pipe()
        try:
            with self.log.open("ab") as output:
                self._guard = subprocess.Popen(
                    # Without site: in an ASCII locale it may not start (Makefile), and Postgres has one.
                    [sys.executable, "-I", "-S", str(GUARD), *who, "--report", str(report),
                     "--orphan-signal", str(int(self._orphan_signal)),
                     "--orphan-grace", str(self._orphan_grace), "--", *self.command],
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
        """The command's process id, also its group's; NotStarted when there is none."""
        if self._pid is None:
            reported = b"" if self._report < 0 else os.read(self._report, 32)
            if not reported:
                raise NotStarted(f"{self.command[0]} was not started:\n{self.tail()}")
            self._pid = int(reported)
        return self._pid

    def _forget(self) -> None:
        """Close pipes of the ended command; kill what a killed guard left running."""
        self.close_pipe()
        if self._guard is not None and (self._guard.poll() or 0) < 0:
            with contextlib.suppress(ProcessLookupError, PermissionError, NotStarted):
                os.killpg(self.pid, signal.SIGKILL)
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def status(self) -> int | None:
        return self._guard.poll() if self._guard is not None else None

    def send(self, number: int) -> None:
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError, NotStarted):
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; None when it still runs."""
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
        self.close_pipe()
        self.wait(10.0)
        self._forget()

    def close_pipe(self) -> None:
        """Close the guard's pipe, upon which it ends the command's group."""
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()

    def kill(self) -> None:
        """Kill -9 the command itself, as a fault would."""
        self.send(signal.SIGKILL)
        self.wait(10.0)
        self.close_pipe()

    def tail(self, lines: int = 15) -> str:
        if not self.log.exists():
            return "(no log)"
        text = self.log.read_bytes()[-20_000:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])


def wait_until(ready: Callable[[], bool], process: Process, name: str, seconds: float = 60.0) -> None:
    """Wait until ``ready()``; NotStarted, with the end of the log, after ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ready():
            return
        if not process.running:
            raise NotStarted(f"{name} ended with status {process.status}:\n{process.tail()}")
        time.sleep(0.02)
    raise NotStarted(f"{name} was not ready within {seconds:.0f} s:\n{process.tail()}")
