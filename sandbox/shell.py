"""What a shell gets from the running sandbox: a file to load, and programs that load it themselves."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import web

if TYPE_CHECKING:
    from sandbox.environment import Environment

PROGRAM = """\
#!/bin/sh
# Written by the sandbox: works on its servers from any directory.
. {env}
WATCHKEEPER_PROGRAM=$0 {variables}exec {command} "$@"
"""


def write(environment: Environment) -> None:
    """Write ``env``, which its owner alone can read, and the programs ``watchkeeper``, ``psql`` and ``link``."""
    data = environment.data
    _write(data / "env", _variables(environment), 0o600)
    commands = {
        # -P: a folder named like a package of ours where it is called is not that package.
        "watchkeeper": [sys.executable, "-P", "-m", "workers.cli.main"],
        "psql": [str(environment.postgres.psql or "psql")],
        "link": [sys.executable, "-P", "-m", "sandbox.web", web.console_url(environment)],
    }
    # Set by the shell: an argument would show the password in the list of processes.
    variables = {
        "link": f"WATCHKEEPER_DATABASE_URL={shlex.quote(environment.postgres.login('owner'))} "
    }
    for name, command in commands.items():
        text = PROGRAM.format(
            env=shlex.quote(str(data / "env")),
            variables=variables.get(name, ""),
            command=shlex.join(command),
        )
        _write(data / name, text, 0o700)


def _write(file: Path, text: str, mode: int) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=mode)
    file.write_text(text)


def _variables(environment: Environment) -> str:
    # Heartbeat files are for the sandbox's own processes.
    own = {
        name: value for name, value in environment.env.items() if name != "WATCHKEEPER_HEARTBEAT_DIR"
    }
    front = environment.path.removesuffix(os.environ.get("PATH", ""))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in own.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(front)}"$PATH"', ""])
