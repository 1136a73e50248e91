"""A program on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What moves the cursor and colours text.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A program on a terminal of 140 columns, and all that it drew there so far."""

    def __init__(self, command: Sequence[str], **env: str) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40", **env},
        )  # fmt: skip
        os.close(theirs)
        self._drawn = b""
        self._ours = ours
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Linux says so when nobody has the other end any more.
        try:
            while piece := os.read(self._ours, 65536):
                self._drawn += piece
        except OSError:
            return

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def text(self) -> str:
        return CONTROL.sub("", self._drawn.decode("utf-8", "replace"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        os.close(self._ours)
