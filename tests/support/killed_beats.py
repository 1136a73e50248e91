"""Works off what is due with beats that die one after the other, as by kill -9, at named points.

``python -m tests.support.killed_beats KILLS``: each beat is a fork that dies at the next point in turn, the
last one lives.  Prints how many were killed.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

POINTS = ("after-claim-commit", "after-publish", "after-mark")


LEFT = """
select exists (select from schedule_edit) or exists (select from batch where state = 'waiting')
       or exists (select from schedule_state where claim_at <= clock_timestamp())
"""


def one_beat(point: str | None) -> None:
    """Work until killed; the one without a point until nothing is left to do."""
    from beat.scheduler import DatabaseScheduler
    from workers.app import app
    from workers.ledger import faults

    faults._NAME, faults._left = point or "", 1
    scheduler = DatabaseScheduler(app=app)
    while scheduler.work() or (point is None and anything_left(scheduler)):
        pass
    scheduler.close()


def anything_left(scheduler: Any) -> bool:
    """What a killed beat had reserved comes free after a while."""
    time.sleep(0.1)
    return bool(scheduler._context.connection.execute(LEFT).fetchone()[0])


def main() -> int:
    # Imported once, for all forks.
    import beat.scheduler  # noqa: F401
    import workers.app  # noqa: F401

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
