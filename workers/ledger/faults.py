"""Points at which a test may kill this process: nothing unless WATCHKEEPER_FAULT_POINT names one.

``after-publish`` dies at that point; ``after-publish:3`` when it comes there for the third time.
"""

import os
import signal

_NAME, _, _TIMES = os.environ.get("WATCHKEEPER_FAULT_POINT", "").partition(":")
_left = int(_TIMES or 1)


def point(name: str) -> None:
    """Die here, as by kill -9, when the test that started this process asked for it."""
    global _left  # noqa: PLW0603 - the process ends with it
    if name == _NAME:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
