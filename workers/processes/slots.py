"""Which batches a worker's processes have in hand, in memory that they share with their parent.

A process of the pool writes its region: its clock, and for each slot the batch and until when it may
work at it.  The parent reads them, also of a process that is stuck or dead.  All times are of the
monotonic clock, which all processes of a machine share.
"""

import json
import mmap
import os
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from billiard import current_process

from workers.settings import settings

#: A pool has at most so many processes, a process at most so many slots.
MAX_PROCESSES = 512
MAX_SLOTS = 256
#: Regions a process of the pool may choose from: its predecessor's is read before it is used again.
BANKS = 4

_NEWS = struct.Struct("Q")
#: Process id, clock, whether a session runs.
_HEAD = struct.Struct("qdB7x")
#: Until when (0: free), run, seq, fence, whether this slot hung.
_SLOT = struct.Struct("d16siiB7x")
_CLOCK = struct.Struct("d")
_HUNG_AT = 32
_REGIONS = MAX_PROCESSES * BANKS
_QUEUES_AT, _QUEUES_SIZE = 64, 4032
_HEADS = _QUEUES_AT + _QUEUES_SIZE
_SLOTS = _HEADS + _REGIONS * _HEAD.size
#: Memory that nobody writes costs nothing.
_MEMORY = mmap.mmap(-1, _SLOTS + _REGIONS * MAX_SLOTS * _SLOT.size)

_given: int | None = None


def count() -> int:
    """Batches that one process works at once."""
    return _given or settings().slots


def configure(number: int | None) -> None:
    """``--slots`` of a worker; before its pool starts."""
    global _given  # noqa: PLW0603 - an option of the command line, for the life of the process
    if number is not None and not 1 <= number <= MAX_SLOTS:
        raise ValueError(f"--slots is a number from 1 to {MAX_SLOTS}")
    _given = number


class InHand(NamedTuple):
    run_id: UUID
    seq: int
    fence: int
    until: float
    hung: bool


class Region:
    """The part of the memory that one process writes."""

    def __init__(self, number: int) -> None:
        self._head = _HEADS + number * _HEAD.size
        self._slots = _SLOTS + number * MAX_SLOTS * _SLOT.size

    @property
    def pid(self) -> int:
        return int(_HEAD.unpack_from(_MEMORY, self._head)[0])

    @property
    def clock(self) -> float:
        return float(_HEAD.unpack_from(_MEMORY, self._head)[1])

    @property
    def in_session(self) -> bool:
        return bool(_HEAD.unpack_from(_MEMORY, self._head)[2])

    def begin(self, *, session: bool) -> None:
        _HEAD.pack_into(_MEMORY, self._head, os.getpid(), time.monotonic(), session)

    def tick(self) -> None:
        _CLOCK.pack_into(_MEMORY, self._head + 8, time.monotonic())

    def enter(self, slot: int, run_id: UUID, seq: int, fence: int, until: float) -> None:
        at = self._slots + slot * _SLOT.size
        _SLOT.pack_into(_MEMORY, at, 0.0, run_id.bytes, seq, fence, 0)
        # Last, because the parent reads at any time.
        _CLOCK.pack_into(_MEMORY, at, until)

    def leave(self, slot: int) -> None:
        _CLOCK.pack_into(_MEMORY, self._slots + slot * _SLOT.size, 0.0)

    def mark_hung(self, slot: int) -> None:
        _MEMORY[self._slots + slot * _SLOT.size + _HUNG_AT] = 1

    def in_hand(self) -> list[InHand]:
        found = []
        for slot in range(count()):
            read = _SLOT.unpack_from(_MEMORY, self._slots + slot * _SLOT.size)
            until, run_id, seq, fence, hung = read
            if until:
                found.append(InHand(UUID(bytes=run_id), seq, fence, until, bool(hung)))
        return found

    def clear(self) -> None:
        for slot in range(count()):
            self.leave(slot)
        _HEAD.pack_into(_MEMORY, self._head, 0, 0.0, 0)


def own() -> Region:
    """A free region for this process of the pool; its successor takes another one."""
    index = int(getattr(current_process(), "index", 0)) % MAX_PROCESSES
    banks = [Region(index * BANKS + bank) for bank in range(BANKS)]
    free = [region for region in banks if region.pid in {0, os.getpid()}]
    chosen = free[0] if free else min(banks, key=lambda region: region.clock)
    chosen.clear()
    return chosen


def regions() -> Iterator[Region]:
    """Those that a process has taken."""
    for number in range(_REGIONS):
        region = Region(number)
        if region.pid:
            yield region


def ring() -> None:
    """Tell this worker's sessions that something may be ready."""
    _NEWS.pack_into(_MEMORY, 0, news() + 1)


def news() -> int:
    return int(_NEWS.unpack_from(_MEMORY, 0)[0])


def set_queues(names: list[str]) -> None:
    """The parent says which queues this worker serves now."""
    text = json.dumps(sorted(names)).encode()[: _QUEUES_SIZE - 1]
    _MEMORY[_QUEUES_AT : _QUEUES_AT + _QUEUES_SIZE] = text.ljust(_QUEUES_SIZE, b"\0")


def queues() -> list[str]:
    text = bytes(_MEMORY[_QUEUES_AT : _QUEUES_AT + _QUEUES_SIZE]).rstrip(b"\0")
    return list(json.loads(text)) if text else []


def forget() -> None:
    """Forget an earlier worker of this process (tests start several)."""
    set_queues([])
    for region in list(regions()):
        region.clear()
