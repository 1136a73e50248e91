"""Due times that fell between the old scheduler's last message and our plan: each schedule runs once.

The run is asked for by a request, as by a person, after beat has planned the row: from then on beat
counts.  Doing it again changes nothing, because a schedule that has a run is left alone.
"""

import threading
from collections.abc import Sequence
from typing import Any

from beat.moving.moves import Moved
from workers.db import Driver, execute
from workers.text.statements import statements

_SQL = statements(__file__)


def wait_for_plan(connection: Driver, moved: Sequence[Moved], seconds: float) -> bool:
    """Wait until beat has planned every row; False when none did in time."""
    pause = threading.Event()
    names = [one.schedule for one in moved]
    for _ in range(max(1, int(seconds / 0.1))):
        row: Any = execute(connection, _SQL["unplanned"], {"names": names}).fetchone()
        if not row.number:
            return True
        pause.wait(0.1)
    return False


def ask_for_missed(connection: Driver, moved: Sequence[Moved]) -> list[str]:
    """Ask for one run of each schedule whose due time nobody has sent; returns their names."""
    known = [one for one in moved if one.first is not None]
    what = {"names": [one.schedule for one in known], "firsts": [one.first for one in known]}
    return [row.schedule for row in execute(connection, _SQL["ask"], what).fetchall()]
