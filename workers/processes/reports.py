"""What a worker's processes report of their batches to their parent, which tells Flower.

Each report is a line in a pipe that all share.  Nothing is written while nobody listens; what does not
fit is dropped: the ledger knows all, Flower's pages are for looking.
"""

import json
import mmap
import os
import select
import time
from contextlib import suppress
from typing import Any

#: A write up to this size is one piece, whoever else writes (POSIX's PIPE_BUF is at least 512).
MAX_LINE = min(select.PIPE_BUF, 4096)
#: How much of a text is reported (characters).
MAX_TEXT = 500

_LISTENED = mmap.mmap(-1, mmap.PAGESIZE)
_pipe: tuple[int, int] | None = None


def open_pipe() -> None:
    """Before the pool's processes are forked."""
    global _pipe  # noqa: PLW0603 - shared with all of the pool, for the life of the worker
    if _pipe is None:
        _pipe = os.pipe()
        for end in _pipe:
            os.set_blocking(end, False)
        # What begins before the parent has looked for the first time is not lost to those who listen.
        set_listened(listened=True)


def set_listened(*, listened: bool) -> None:
    _LISTENED[0] = listened


def is_listened() -> bool:
    return _LISTENED[0] == 1


def report(event: str, **fields: Any) -> None:
    """Report an event of a batch, e.g. ``started``; at once, and without waiting."""
    if _pipe is None or not is_listened():
        return
    short = {name: _short(value) for name, value in fields.items()}
    line = json.dumps({"type": event, "timestamp": time.time(), **short}, default=str).encode() + b"\n"
    if len(line) <= MAX_LINE:
        with suppress(OSError):
            os.write(_pipe[1], line)


def _short(value: Any) -> Any:
    return value[:MAX_TEXT] if isinstance(value, str) else value


def read(timeout: float) -> list[dict[str, Any]]:
    if _pipe is None:
        time.sleep(timeout)
        return []
    found: list[bytes] = []
    if select.select([_pipe[0]], [], [], timeout)[0]:
        with suppress(OSError):
            while chunk := os.read(_pipe[0], 1 << 16):
                found.append(chunk)
    text = _rest.pop() if _rest else b""
    *lines, rest = (text + b"".join(found)).split(b"\n")
    _rest.append(rest)
    return [json.loads(line) for line in lines if line]


_rest: list[bytes] = []
