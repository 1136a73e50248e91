"""What commands print in a terminal of a given width, or in a pipe, in this process."""

from __future__ import annotations

import contextlib
import io
import shlex
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Screen:
    status: int
    out: str
    err: str


def typed(command: str, width: int | None, given: str = "", **env: str) -> Screen:
    """Run ``watchkeeper …`` as typed in a terminal of ``width`` columns; None: its output is a pipe."""
    from workers.cli.main import watchkeeper

    program, *words = shlex.split(command)
    return _run(watchkeeper, program, words, width, given, env)


def typed_with_celery(command: str, given: str = "", **env: str) -> Screen:
    """The same command as a plugin of `celery -A workers.app`, in a pipe."""
    from workers.cli.main import COMMANDS

    _, name, *words = shlex.split(command)
    program = f"celery -A workers.app {name}"
    return _run(resolve_name(COMMANDS[name][0]), program, words, None, given, env)


def _run(
    main: Any, program: str, words: list[str], width: int | None, given: str, more: dict[str, str]
) -> Screen:
    out: Any = Terminal() if width else io.StringIO()
    err, status = io.StringIO(), 0
    env = {"COLUMNS": str(width or 80), "USER": "ada", **more}
    with (
        patch.dict("os.environ", env),
        patch("sys.argv", [program.partition(" ")[0], *words]),
        patch("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode()))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(words, prog_name=program)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Screen(status, out.getvalue(), err.getvalue())
