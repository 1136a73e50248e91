"""`python -m sandbox exec` and `psql`: a command with servers of its own, or with the running sandbox."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sandbox import folders, web
from sandbox.environment import Environment
from sandbox.places import DEPLOY
from sandbox.ports import is_port_lost
from sandbox.processes import NotStarted
from workers.installation.queues import queue_names

#: What ``--with`` may start besides the services and the imitations.
EXTRAS = ("beat", "worker", "console", "flower")
PREFIX = "watchkeeper-exec-"
#: Attempts with other ports when another program took one first.
MAX_ATTEMPTS = 5


class Ended(Exception):
    """SIGTERM or a closed terminal."""


def extras(text: str) -> dict[str, int]:
    """``beat=2,worker=1`` as numbers; a bare name means one."""
    wanted = dict.fromkeys(EXTRAS, 0)
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in wanted:
            raise ValueError(f"--with knows {', '.join(EXTRAS)}, not {name!r}")
        if number and not number.isdecimal():
            raise ValueError(f"--with {name} takes a number, not {number!r}")
        wanted[name] = int(number or 1)
    return wanted


def _end(number: int, _: FrameType | None) -> None:
    raise Ended(number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def execute(command: Sequence[str], wanted: dict[str, int]) -> int:
    """Run ``command`` with servers and upstreams of its own; its exit status."""
    # While the command runs, it handles Ctrl-C itself; a handler, because an ignored signal is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            # `nohup` ignores the end of the terminal, and so does the sandbox then.
            signal.signal(number, _end)
    try:
        for left in reversed(range(MAX_ATTEMPTS)):
            with folders.temporary(PREFIX) as folder:
                environment = Environment.temporary(folder, say=_say)
                try:
                    _start(environment, wanted)
                    return _run(command, _environment(environment, wanted))
                except NotStarted as error:
                    environment.stop()
                    if not left or not is_port_lost(error, environment.ports.values()):
                        raise
                    _say("another program took one of the ports: starting again with others")
                finally:
                    environment.stop()
        raise AssertionError("the last attempt returns or raises")
    except NotStarted as error:
        _say(f"not started: {error}")
        return 1
    except (Ended, KeyboardInterrupt) as error:
        return 128 + (error.args[0] if error.args else signal.SIGINT)


def _start(environment: Environment, wanted: dict[str, int]) -> None:
    queues = ",".join(queue_names())
    workers = {f"worker{number}": queues for number in range(1, wanted["worker"] + 1)}
    flower, console = bool(wanted["flower"]), bool(wanted["console"])
    environment.start(wanted["beat"], workers, flower=flower, console=console)


def _environment(environment: Environment, wanted: dict[str, int]) -> dict[str, str]:
    env = {**os.environ, **environment.env, "PATH": environment.path}
    if wanted["console"]:
        env["WATCHKEEPER_SANDBOX_CONSOLE"] = web.login_link(environment)
    if wanted["flower"]:
        env["WATCHKEEPER_SANDBOX_FLOWER"] = f"http://127.0.0.1:{environment.ports['flower']}"
    return env


def _run(command: Sequence[str], env: dict[str, str]) -> int:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        # A folder of PATH that may not be read holds no program, as for a shell; exec says EACCES for it.
        if shutil.which(command[0], os.F_OK, env["PATH"]) is None:
            raise FileNotFoundError
        status = subprocess.run(command, env=env, check=False).returncode
    except FileNotFoundError:
        _say(f"program {command[0]!r} does not exist")
        return 127
    except PermissionError:
        _say(f"program {command[0]!r} may not be run")
        return 126
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def psql(folder: Path, arguments: Sequence[str]) -> int:
    """Run psql on the sandbox in ``folder``, else on a temporary one."""
    rc = {"PSQLRC": str(DEPLOY / "psqlrc")}
    file = folder / "env"
    if not (folders.is_used(folder) and file.exists()):
        _say("no sandbox runs here; starting a temporary one without demo schedules")
        os.environ.update(rc)
        return execute(["psql", *arguments], extras(""))
    env = {**os.environ, **rc}
    for line in file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        words = shlex.split(value)
        env[name] = words[0].replace("$PATH", env["PATH"]) if words else ""
    return _run(["psql", *arguments], env)
