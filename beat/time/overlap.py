"""What to do with a new run while another of its schedule is active (pure).

The words and meanings are Temporal's, but for a backfill, which may take days: no due time is lost to
its runs; it waits for the one that is active and starts before those that wait.
Decisions are made under the schedule's lock, so the counts are true.
"""

from dataclasses import dataclass
from enum import Enum

OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "allow_all")
CATCH_UPS = ("latest", "all", "none")
#: Maximum of held runs with buffer_all; more are skipped, with that reason.
MAX_BUFFERED = 1000


class Act(Enum):
    START = "start"
    HOLD = "hold"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the new run, why, and whether the active one is asked to stop."""

    act: Act
    reason: str | None = None
    cancel_active: bool = False
    replace_held: bool = False


def decide(policy: str, active: int, held: int, backfilling: int = 0) -> Decision:
    """Decide on one new run, by the numbers of active and held runs of its schedule.

    ``backfilling``: active runs of a backfill, of which the new run is none.
    """
    if policy == "allow_all" or (active == 0 and held == 0 and backfilling == 0):
        return Decision(Act.START)
    if active == 0 and held == 0 and policy != "cancel_other":
        return Decision(Act.HOLD, "waits for a run of the backfill to end")
    if policy == "skip":
        busy = "the last run is still running" if active else "a run before it waits to start"
        return Decision(Act.SKIP, busy)
    if policy == "buffer_one":
        if held:
            return Decision(Act.SKIP, "one run is already waiting for the last to end")
        return Decision(Act.HOLD, "waits for the last run to end")
    if policy == "buffer_all":
        if held >= MAX_BUFFERED:
            return Decision(Act.SKIP, f"{MAX_BUFFERED} runs are already waiting")
        return Decision(Act.HOLD, "waits for the runs before it to end")
    if policy == "cancel_other":
        return Decision(
            Act.HOLD,
            "waits for the last run to stop",
            cancel_active=active + backfilling > 0,
            replace_held=held > 0,
        )
    raise ValueError(f"unknown overlap policy {policy!r}")


def room(policy: str, held: int) -> int:
    """How many new runs are accepted at once; what comes after them would be skipped."""
    return MAX_BUFFERED - held if policy == "buffer_all" else MAX_BUFFERED
