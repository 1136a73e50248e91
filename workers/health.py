"""`python -m workers.health`: exit status 0 while a process here works, else 1.

A process touches its file in ``WATCHKEEPER_HEARTBEAT_DIR`` only while it works: a worker when its event
loop runs and Postgres took its heartbeat, a beat when Postgres and Redis answered.
"""

import os
import sys
import time
from pathlib import Path

#: A process with an older file does not work (seconds).
MAX_AGE = 30.0


def problem_of(directory: Path | None, now: float) -> str | None:
    """None when the newest heartbeat file is fresh at ``now`` (epoch seconds), else a sentence."""
    if directory is None:
        return "WATCHKEEPER_HEARTBEAT_DIR is not set, so processes here write no heartbeat files"
    ages = [now - path.stat().st_mtime for path in directory.glob("*") if path.is_file()]
    if not ages:
        return f"no process has written a heartbeat yet (no file in {directory})"
    if min(ages) > MAX_AGE:
        return f"the last heartbeat is {min(ages):.0f} s old (limit {MAX_AGE:.0f} s)"
    return None


def heartbeat_dir() -> Path | None:
    """The setting; reading all settings takes ten times as long as the check."""
    named = os.environ.get("WATCHKEEPER_HEARTBEAT_DIR")
    if named:
        return Path(named)
    from workers.settings import settings

    return settings().heartbeat_dir


def main() -> int:
    problem = problem_of(heartbeat_dir(), time.time())
    if problem:
        sys.stderr.write(problem + "\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
