"""`python -m workers.health`: exit status 0 while a process here is useful, else 1.

A process touches its file in ``WATCHKEEPER_HEARTBEAT_DIR`` only after it has proved its use: a worker
when its event loop runs and Postgres took its heartbeat, a beat when Postgres and Redis answered.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

#: A file older than this says that its process has stopped being useful (seconds).
STALE = 30.0


def verdict(directory: Path | None, now: float) -> str | None:
    """None when the newest heartbeat file is fresh at ``now`` (epoch seconds), else a sentence."""
    if directory is None:
        return "WATCHKEEPER_HEARTBEAT_DIR is not set, so no process here says that it is useful"
    ages = [now - path.stat().st_mtime for path in directory.glob("*") if path.is_file()]
    if not ages:
        return f"no process has said yet that it is useful (nothing in {directory})"
    if min(ages) > STALE:
        return f"the last sign of use is {min(ages):.0f} s old (limit {STALE:.0f} s)"
    return None


def heartbeat_dir() -> Path | None:
    """The setting; to read it with all others costs ten times the check, which runs all the time."""
    named = os.environ.get("WATCHKEEPER_HEARTBEAT_DIR")
    if named:
        return Path(named)
    from workers.settings import settings

    return settings().heartbeat_dir


def main() -> int:
    """Print the sentence, if any; return the exit status."""
    complaint = verdict(heartbeat_dir(), time.time())
    if complaint:
        sys.stderr.write(complaint + "\n")
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main())
