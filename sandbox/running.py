"""`python -m sandbox run`: everything, with demo schedules, until Ctrl-C."""

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

from sandbox import demo, display, folders, shell
from sandbox.environment import PORTS, Environment, worker_groups
from sandbox.folding import Repeats
from sandbox.processes import NotStarted
from workers.text.cleaning import printable

#: Time limit of ``--until-green``.
MAX_SECONDS = 120.0


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or a closed terminal."""


class Output(Console):
    """A console that survives a closed pipe, so that the sandbox still stops in order."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

    def plain(self, text: str) -> None:
        """Print without markup."""
        self.print(printable(text, lines=True), markup=False)


class Session:
    def __init__(self, folder: Path, ports: dict[str, int], *, until_green: bool) -> None:
        self._began = time.monotonic()
        self._until_green = until_green
        self.output = Output(highlight=False, soft_wrap=True)
        self.environment = Environment(folder, ports, faults="mild", say=self.output.plain)
        self.runs = display.Runs(lambda: self.environment.postgres.login("owner"))
        self.repeats = Repeats(self._began)
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
            # `nohup` ignores the end of the terminal, and so does the sandbox then.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)
        status = 1
        try:
            self.environment.start(2, worker_groups(), flower=True, console=True, prepare=self._prepare)
            shell.write(self.environment)
            display.welcome(self.output, self.environment)
            status = self._show()
        except Interrupted:
            status = 130 if self._until_green else 0
        except (NotStarted, OSError, psycopg.Error) as error:
            self.output.print(f"[red]not started:[/] {escape(str(error))}")
        finally:
            # From here on, Ctrl-C stops at once.
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
        self.output.plain("stopping (Ctrl-C again stops at once) …")
        began = time.monotonic()
        self.environment.stop()
        self.output.plain(f"stopped in {time.monotonic() - began:.1f} s")

    def _show(self) -> int:
        while True:
            self.environment.supervisor.watch()
            self.environment.launch_browsers(self.runs.undrawn())
            ended = [line for row in self.runs.fresh() for line in self.repeats.take(row)]
            for row in (*ended, *self.repeats.due(time.monotonic())):
                self.output.print(display.line(row))
            for row in self.runs.sent():
                self.output.print(display.notice(row))
            passed = time.monotonic() - self._began
            if self._until_green and not self.runs.missing:
                self.output.plain(f"green after {passed:.1f} s")
                return 0
            if self._until_green and passed > MAX_SECONDS:
                self._explain()
                return 1
            time.sleep(0.3)

    def _explain(self) -> None:
        self.output.print(
            f"[red]not green after {MAX_SECONDS:.0f} s:[/] {', '.join(self.runs.missing)}"
        )
        for reason in self.runs.reasons():
            self.output.plain(f"  {reason}")
        for part in self.environment.supervisor.parts:
            self.output.plain(f"--- {part.name}: {part.process.log}\n{part.process.tail(5)}")


def run(folder: Path, *, fresh: bool, until_green: bool, port_base: int | None) -> int:
    """Run in ``folder``, emptied first when ``fresh``; the exit status."""
    ports = PORTS if port_base is None else {name: port_base + n for n, name in enumerate(PORTS)}
    try:
        with folders.claimed(folder):
            if fresh:
                folders.delete_data(folder)
            shutil.rmtree(folder / "heartbeats", ignore_errors=True)
            return Session(folder, dict(ports), until_green=until_green).run()
    except (NotStarted, OSError) as error:
        print(printable(f"not started: {error}"))
        return 1
