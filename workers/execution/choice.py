"""Which of the ready batches a process takes: by priority, and fairly between runs (pure).

While others are ready, no kind and no upstream has more than half of the slots; a tenth of them is kept
for priority 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

#: Priority for which a tenth of the slots is kept.
URGENT = 9


class Ready(Protocol):
    @property
    def run_id(self) -> UUID: ...
    @property
    def task(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def upstream(self) -> str | None: ...
    @property
    def suspect(self) -> bool: ...


@dataclass(slots=True)
class Load:
    slots: int
    batches: int = 0
    #: Batches by run, by kind and by upstream.
    runs: Counter[UUID] = field(default_factory=Counter)
    shares: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Ready, number: int = 1) -> None:
        self.batches += number
        self.runs[batch.run_id] += number
        for share in _shares(batch):
            self.shares[share] += number

    def copy(self) -> Load:
        return Load(self.slots, self.batches, Counter(self.runs), Counter(self.shares))

    @property
    def reserve(self) -> int:
        return 0 if self.slots == 1 else max(1, self.slots // 10)

    def has_room(self, batch: Ready) -> bool:
        kept = 0 if batch.priority >= URGENT else self.reserve
        return self.batches < self.slots - kept

    def has_share(self, batch: Ready) -> bool:
        """Whether its kind and its upstream stay within half of the slots."""
        most = max(1, self.slots // 2)
        return all(self.shares[share] < most for share in _shares(batch))


def _shares(batch: Ready) -> Iterable[str]:
    yield f"kind {batch.task}"
    if batch.upstream is not None:
        yield f"upstream {batch.upstream}"


def choose(ready: Sequence[Ready], load: Load) -> list[int]:
    """Places in ``ready`` of what is taken, in the order of taking; ``ready`` has the oldest first.

    A suspect is taken by a process that has nothing else, and alone.
    """
    if load.batches == 0:
        suspects = [place for place, batch in enumerate(ready) if batch.suspect]
        if suspects:
            return [min(suspects, key=lambda place: -ready[place].priority)]
    load = load.copy()
    turns: Counter[UUID] = Counter(load.runs)
    ranked = []
    for place, batch in enumerate(ready):
        if not batch.suspect:
            ranked.append((-batch.priority, turns[batch.run_id], place))
            turns[batch.run_id] += 1
    ranked.sort()
    chosen: list[int] = []
    for within_share in (True, False):
        for _, _, place in ranked:
            batch = ready[place]
            fits = load.has_room(batch) and (load.has_share(batch) or not within_share)
            if fits and place not in chosen:
                load.add(batch)
                chosen.append(place)
    return chosen
