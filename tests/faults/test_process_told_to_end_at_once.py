"""The pool shrinks while it grows: a process is told to end before it has signal handlers of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.support.processes import QUICK


def test_a_process_that_is_told_to_end_as_it_is_forked_ends_alone(
    celery_process: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app="tests.support.told_to_end", **QUICK
    )
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    first = new_run("tests.noop_kind")
    eventually(lambda: row(first)["state"] == "succeeded", within=60)
    # Its successor is told to end, and that one's successor has work again.
    os.kill(int(children.read_text()), signal.SIGKILL)
    eventually(lambda: "Warm shutdown" in worker.log.read_text(), within=30)

    second = new_run("tests.noop_kind")

    eventually(lambda: row(second)["state"] == "succeeded", within=30)
    assert worker.running
