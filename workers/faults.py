"""Points at which a test may kill this process: nothing unless WATCHKEEPER_FAULT_POINT names one."""

from __future__ import annotations

import os
import signal

_NAMED = os.environ.get("WATCHKEEPER_FAULT_POINT", "")


def point(name: str) -> None:
    """Die here, as by kill -9, when the test that started this process asked for it."""
    if name == _NAMED:
        os.kill(os.getpid(), signal.SIGKILL)
