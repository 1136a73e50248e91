"""Works off what is due with beats that die one after the other, as by kill -9, at named points.

``python tests/faults/killing.py KILLS``: each beat is a fork that dies at the next point in turn, the
last one lives.  Prints how many were killed.
"""

from __future__ import annotations

import os
import sys
import time

POINTS = ("after-claim-commit", "after-publish", "after-mark")


def one_beat(point: str | None) -> None:
    """Work until killed, or until nothing is left to do."""
    from beat.scheduler import DatabaseScheduler
    from workers import faults
    from workers.app import app

    faults._NAME, faults._left = point or "", 1
    scheduler = DatabaseScheduler(app=app)
    idle = 0
    while idle < (1 if point else 8):
        if scheduler.work():
            idle = 0
            continue
        idle += 1
        if point is None:
            # What a killed beat had reserved comes free after a while.
            time.sleep(1.0)
    scheduler.close()


def main() -> int:
    import beat.scheduler
    import workers.app  # noqa: F401 - imported once, for all forks

    killed = 0
    for number in range(int(sys.argv[1]) + 1):
        last = number == int(sys.argv[1])
        child = os.fork()
        if child == 0:
            one_beat(None if last else POINTS[number % len(POINTS)])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    print(killed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
