"""Celery on a host whose clock is wrong: ``python -m tests.support.celery_with_wrong_clock SECONDS beat …``."""

from __future__ import annotations

import sys
import time

AHEAD = float(sys.argv.pop(1))
_real, _real_ns, _gmtime, _localtime = time.time, time.time_ns, time.gmtime, time.localtime

time.time = lambda: _real() + AHEAD
time.time_ns = lambda: _real_ns() + int(AHEAD * 1e9)
time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)  # type: ignore[assignment]
time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)  # type: ignore[assignment]

if __name__ == "__main__":
    from celery.__main__ import main

    main()
