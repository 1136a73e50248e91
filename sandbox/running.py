"""`python -m sandbox run`: everything, with demo schedules, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import psycopg
from rich.console import Console
from rich.markup import escape

from sandbox import demo, display, folders
from sandbox.environment import PORTS, Environment, worker_groups
from sandbox.processes import NotStarted

#: ``--until-green`` gives up so long after the start (seconds).
PATIENCE = 120.0


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or a closed terminal while something was being waited for."""


class Voice(Console):
    """Prints as far as somebody listens: a closed pipe must not keep us from stopping in order."""

    def on_broken_pipe(self) -> None:
        """Stop printing, end in order."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

    def plain(self, text: str) -> None:
        """Print words of others as they are."""
        self.print(text, markup=False)


class Session:
    """One `run`: a house, what is said about it, and how it ends."""

    def __init__(self, folder: Path, ports: dict[str, int], *, until_green: bool) -> None:
        self._began = time.monotonic()
        self._until_green = until_green
        self.voice = Voice(highlight=False, soft_wrap=True)
        self.environment = Environment(folder, ports, faults="mild", say=self.voice.plain)
        self.runs = display.Runs(lambda: self.environment.postgres.login("owner"))
        self._interrupted = self._stopping = False

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        if self._interrupted or self._stopping:
            self.environment.supervisor.force()
            os._exit(128 + number)
        self._interrupted = True
        raise Interrupted

    def run(self) -> int:
        """Start, show, stop; the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # A background job ignores Ctrl-C, `nohup` the end of the terminal: the first is obeyed
            # when it is sent to us by name, the second was meant.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)
        status = 1
        try:
            self.environment.start(2, worker_groups(), flower=True, prepare=self._prepare)
            display.welcome(self.voice, self.environment, self.environment.write_env())
            status = self._show()
        except Interrupted:
            status = 130 if self._until_green else 0
        except (NotStarted, OSError, psycopg.Error) as error:
            self.voice.print(f"[red]not started:[/] {escape(str(error))}")
        finally:
            # From here on one more Ctrl-C forces.
            self._stopping = True
            self.runs.close()
            self._stop()
        return status

    def _prepare(self) -> None:
        self.runs.fresh()
        demo.insert(self.environment.postgres.login("owner"))

    def _stop(self) -> None:
        if not self.environment.supervisor.parts:
            return
        self.voice.plain("stopping in order (Ctrl-C again forces) …")
        began = time.monotonic()
        self.environment.stop()
        self.voice.plain(f"stopped in {time.monotonic() - began:.1f} s")

    def _show(self) -> int:
        while True:
            self.environment.supervisor.watch()
            for row in self.runs.fresh():
                self.voice.print(display.line(row))
            for row in self.runs.told():
                self.voice.print(display.notice(row))
            passed = time.monotonic() - self._began
            if self._until_green and not self.runs.missing:
                self.voice.plain(f"green after {passed:.1f} s")
                return 0
            if self._until_green and passed > PATIENCE:
                self._explain()
                return 1
            time.sleep(0.3)

    def _explain(self) -> None:
        self.voice.print(f"[red]not green after {PATIENCE:.0f} s:[/] {', '.join(self.runs.missing)}")
        for reason in self.runs.reasons():
            self.voice.plain(f"  {reason}")
        for part in self.environment.supervisor.parts:
            self.voice.plain(f"--- {part.name}: {part.process.log}\n{part.process.tail(5)}")


def run(folder: Path, *, fresh: bool, until_green: bool, port_base: int | None) -> int:
    """Run in ``folder``, emptied first when ``fresh``; the exit status."""
    ports = PORTS if port_base is None else {name: port_base + n for n, name in enumerate(PORTS)}
    try:
        with folders.claimed(folder):
            if fresh:
                folders.forget(folder)
            shutil.rmtree(folder / "heartbeats", ignore_errors=True)
            return Session(folder, dict(ports), until_green=until_green).run()
    except (NotStarted, OSError) as error:
        print(f"not started: {error}")
        return 1
