"""`python -m sandbox run | exec | reset`."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from sandbox import demo, screen
from sandbox.house import PORTS, ROOT, WORKERS, House
from sandbox.processes import NotStarted, unprivileged

#: ``--until-green`` gives up after so long (seconds).
PATIENCE = 120.0


class Interrupted(Exception):
    """Ctrl-C or SIGTERM while something was being waited for."""


def _folder(given: Path | None, console: Console) -> Path:
    """Where the data lives: beside the code, or below the temporary folder if nobody may go there."""
    folder = (given or ROOT / ".sandbox").resolve()
    who = unprivileged()
    if who is None or given is not None:
        return folder
    closed = [p for p in folder.parents if p.exists() and not p.stat().st_mode & 0o001]
    if closed:
        name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
        folder = Path(tempfile.gettempdir()) / f"watchkeeper-sandbox-{name}"
        console.print(f"{closed[0]} is closed to other users, so the data lives in {folder}")
    return folder


def _ports(base: int | None) -> dict[str, int]:
    if base is None:
        return dict(PORTS)
    return {name: base + number for number, name in enumerate(PORTS)}


def run(given: argparse.Namespace) -> int:
    """Start everything and show runs until Ctrl-C (or until each demo schedule has succeeded)."""
    console = Console(highlight=False, soft_wrap=True)
    folder = _folder(given.data, console)
    if given.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "heartbeats", ignore_errors=True)
    house = House(folder, _ports(given.port_base), faults="mild", say=console.print)
    ended = threading.Event()
    interrupts: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        interrupts.append(number)
        if len(interrupts) > 1:
            console.print("forced")
            house.force()
            os._exit(130)
        ended.set()
        raise Interrupted

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    status = 1
    try:
        house.check_ports(house.ports)
        house.start_services()
        house.start_upstreams()
        demo.insert(house.postgres.url())
        house.start_system(2, WORKERS, flower=True)
        screen.welcome(console, house)
        status = _show(house, console, ended, until_green=given.until_green)
    except Interrupted:
        status = 0 if not given.until_green else 130
    except NotStarted as error:
        console.print(f"[red]not started:[/] {error}", markup=True)
    finally:
        console.print("stopping …")
        house.stop()
    return status


def _show(house: House, console: Console, ended: threading.Event, *, until_green: bool) -> int:
    runs, began = screen.Runs(house.postgres.url()), time.monotonic()
    while not ended.wait(0.3):
        house.watch()
        for row in runs.fresh():
            console.print(screen.line(row))
        passed = time.monotonic() - began
        if until_green and runs.all_green:
            console.print(f"green after {passed:.1f} s")
            return 0
        if until_green and passed > PATIENCE:
            missing = sorted(set(demo.NAMES) - runs.green)
            console.print(f"[red]not green after {PATIENCE:.0f} s:[/] {', '.join(missing)}")
            for part in house.parts:
                console.print(f"--- {part.name}\n{part.process.tail(5)}", markup=False)
            return 1
    return 0


def execute(given: argparse.Namespace) -> int:
    """Start the services and upstreams, run a command on them, end them; the command's exit status."""
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        sys.stderr.write("python -m sandbox exec -- COMMAND …\n")
        return 2
    wanted = dict(part.split("=", 1) for part in given.with_.split(",")) if given.with_ else {}
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-exec-"))
    folder.chmod(0o755)
    house = House.temporary(folder, say=lambda text: print(text, file=sys.stderr))

    def interrupt(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        house.start_services()
        house.start_upstreams()
        workers = {f"worker{n}": "discovery,prices,listings,notices,upkeep"
                   for n in range(1, int(wanted.get("worker", 0)) + 1)}  # fmt: skip
        house.start_system(
            int(wanted.get("beat", 0)), workers, flower=bool(int(wanted.get("flower", 0)))
        )
        return subprocess.run(command, env={**os.environ, **house.env}, check=False).returncode
    except NotStarted as error:
        sys.stderr.write(f"not started: {error}\n")
        return 1
    except (Interrupted, KeyboardInterrupt):
        return 130
    except FileNotFoundError:
        sys.stderr.write(f"there is no program {command[0]!r}\n")
        return 127
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run", help="everything, with demo schedules, until Ctrl-C")
    runs.add_argument("--fresh", action="store_true", help="forget the data of earlier times")
    runs.add_argument(
        "--until-green", action="store_true", help="end when each demo schedule succeeded"
    )
    runs.add_argument("--data", type=Path, help="where the data lives (default .sandbox)")
    runs.add_argument("--port-base", type=int, help="use ports from this one on")
    runs.set_defaults(do=run)
    execs = commands.add_parser("exec", help="services and upstreams for one command")
    execs.add_argument(
        "--with", dest="with_", default="", help="also start e.g. beat=2,worker=1,flower=1"
    )
    execs.add_argument("command", nargs=argparse.REMAINDER)
    execs.set_defaults(do=execute)
    given = parser.parse_args()
    status: int = given.do(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
