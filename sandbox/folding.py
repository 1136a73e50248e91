"""The screen of `run` counts runs that say nothing new, and prints the count once a minute."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
#: Counted runs are printed this often (seconds).
EVERY = 60.0


@dataclass
class _Counted:
    row: Row
    number: int


class Repeats:
    """Which ended runs have a line: the first of its kind, not those that end alike after it."""

    def __init__(self, now: float) -> None:
        self._printed_at = now
        self._last: dict[str, tuple[str, str]] = {}
        self._counted: dict[str, _Counted] = {}

    def take(self, row: Row) -> list[Row]:
        """The rows to print for a run that ended; one that says nothing new is counted."""
        name, said = row["name"], (row["state"], row["summary"] or "")
        known, self._last[name] = self._last.get(name), said
        if row["idle"] or said == known:
            before = self._counted.get(name)
            self._counted[name] = _Counted(row, 1 + (before.number if before else 0))
            return []
        return [*self._counts_of(name), row]

    def due(self, now: float) -> list[Row]:
        """Once a minute, a row for each schedule whose runs were counted."""
        if now - self._printed_at < EVERY:
            return []
        self._printed_at = now
        return [row for name in sorted(self._counted) for row in self._counts_of(name)]

    def _counts_of(self, name: str) -> list[Row]:
        counted = self._counted.pop(name, None)
        return [{**counted.row, "times": counted.number, "seconds": None}] if counted else []
