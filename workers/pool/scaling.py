"""How large a pool should be: arithmetic alone, no clock, no database (pure).

Every worker computes the same division from the same figures, so that together they grow by what is
ready, and not each by all of it.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

#: A pool shrinks to the maximum that was wanted in this time, so that a pause between two batches ends
#: no processes (seconds).
COOL_DOWN = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A living worker: its queues, its running batches, how many it can hold at most."""

    name: str
    queues: Collection[str]
    busy: int
    high: int


def divide(ready: Mapping[str, int], servers: Collection[Server]) -> dict[str, int]:
    """How many batches each server should hold: those that run and its share of the ready ones.

    Each ready batch goes to the least loaded server of its queue that has room; queues with the fewest
    servers come first.  The order of ``servers`` changes nothing.
    """
    loads = {server.name: server.busy for server in servers}
    serving = {
        queue: sorted((one for one in servers if queue in one.queues), key=lambda one: one.name)
        for queue in ready
    }
    for queue in sorted(ready, key=lambda name: (len(serving[name]), name)):
        for _ in range(ready[queue]):
            free = [one for one in serving[queue] if loads[one.name] < one.high]
            if not free:
                break
            loads[min(free, key=lambda one: loads[one.name]).name] += 1
    return loads


def clamp(wanted: int, low: int, high: int) -> int:
    return min(max(wanted, low), high)


@dataclass(slots=True)
class Peak:
    length: float = COOL_DOWN
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def of(self, wanted: int, now: float) -> int:
        """Note ``wanted`` at ``now`` (monotonic, seconds); returns the maximum within ``length``."""
        while self._seen and self._seen[0][0] <= now - self.length:
            self._seen.popleft()
        while self._seen and self._seen[-1][1] <= wanted:
            self._seen.pop()
        self._seen.append((now, wanted))
        return self._seen[0][1]
