"""What commands print in a terminal of a given width, or in a pipe, in this process."""

from __future__ import annotations

import contextlib
import io
import shlex
from dataclasses import dataclass
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


def typed(command: str, width: int | None, **env: str) -> Screen:
    """Run ``watchkeeper …`` as typed in a terminal of ``width`` columns; None: its output is a pipe."""
    from workers.cli.main import watchkeeper

    program, *words = shlex.split(command)
    out: Any = Terminal() if width else io.StringIO()
    err, status = io.StringIO(), 0
    given = {"COLUMNS": str(width or 80), "USER": "ada", **env}
    with (
        patch.dict("os.environ", given),
        patch("sys.argv", [program, *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            watchkeeper(words, prog_name=program)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Screen(status, out.getvalue(), err.getvalue())
