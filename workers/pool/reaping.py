"""Replaces a process of the pool as soon as it has ended.

The kernel closes a dying process's pipe a little before its parent can reap it.  Celery looks once,
when the pipe closes, and again after 5 s: until then it takes the process for a living one, and what it
sends there stands still.
"""

from typing import Any

#: Pause between two looks at a process whose pipe is closed (seconds), and how many there are.
PAUSE, LOOKS = 0.05, 100


def reap_at_once(pool: Any) -> None:
    """Make Celery's prefork ``pool`` look again until it has reaped the process."""
    processes = getattr(pool, "_pool", None)
    ended = getattr(processes, "_event_process_exit", None)
    if processes is None or ended is None or hasattr(processes, "reaps_at_once"):
        return
    processes.reaps_at_once = True

    def look_again(hub: Any, process: Any, looks: int) -> None:
        if looks and process in processes._pool:  # noqa: SLF001 - Celery has no other name for it
            processes.maintain_pool()
            hub.call_later(PAUSE, look_again, hub, process, looks - 1)

    def process_ended(hub: Any, process: Any) -> None:
        ended(hub, process)
        look_again(hub, process, LOOKS)

    processes._event_process_exit = process_ended  # noqa: SLF001
