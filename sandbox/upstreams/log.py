"""The arrival log of an imitation: every call as the upstream counted it, judged as a whole."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from sandbox.upstreams.strict import Window, worst


class Arrival(NamedTuple):
    """One call: ``at`` on the monotonic clock and ``wall`` since 1970, after its one-way latency.

    ``verdict``: allowed, or which limit it broke.  ``in_flight``: how many were inside with it.
    """

    at: float
    wall: float
    path: str
    status: int
    verdict: str
    in_flight: int
    group: str | None


@dataclass
class ArrivalLog:
    """Kept in memory whole, and in a file line by line, flushed: a kill of the imitation loses nothing."""

    file: Path | None = None
    rows: list[Arrival] = field(default_factory=list)
    _open: TextIO | None = None

    def add(
        self, at: float, path: str, status: int, verdict: str, in_flight: int, group: str | None
    ) -> None:
        row = Arrival(at, time.time(), path, status, verdict, in_flight, group)
        self.rows.append(row)
        if self.file is not None:
            if self._open is None:
                self._open = self.file.open("a")
            self._open.write(json.dumps(row._asdict()) + "\n")
            self._open.flush()

    def lines(self) -> Iterator[str]:
        """The log, one JSON text an arrival."""
        return (json.dumps(row._asdict()) for row in self.rows)

    def judged(self, windows: Sequence[Window], concurrency: int | None) -> dict[str, Any]:
        """Every window and the concurrency, over all arrivals, refused ones included."""
        judged: list[dict[str, Any]] = []
        total = 0
        for one in windows:
            rows = [row for row in self.rows if one.holds_for(row.group)]
            counted = [row.at for row in rows if not one.lenient or row.verdict == "allowed"]
            found = worst(counted, one.calls, one.seconds)
            total += found.violations
            named = {} if one.group is None else {"group": one.group}
            judged.append(
                {
                    "calls": one.calls,
                    "seconds": one.seconds,
                    "most": found.most,
                    "violations": found.violations,
                    **named,
                }
            )
        inside = [row.in_flight for row in self.rows]
        over = 0 if concurrency is None else sum(number > concurrency for number in inside)
        return {
            "calls": len(self.rows),
            "windows": judged,
            "concurrency": {"limit": concurrency, "most": max(inside, default=0), "violations": over},
            "violations": over + total,
        }
