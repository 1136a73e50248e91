"""The control group that holds all containers of an engine: what they use together, and a limit for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """The parent of the group of a process in a container; version 1 and 2 of control groups."""

    def __init__(self, pid: int) -> None:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        old = next((path for _, controllers, path in lines if "memory" in controllers.split(",")), None)
        if old is not None:
            self._folder = (ROOT / "memory" / old.lstrip("/")).parent
            self._limit, self._peak, self._none = "limit_in_bytes", "max_usage_in_bytes", "-1"
            self._events = "oom_control"
        else:
            path = next(path for number, _, path in lines if number == "0")
            self._folder = (ROOT / path.lstrip("/")).parent
            self._limit, self._peak, self._none, self._events = "max", "peak", "max", "events"

    def _file(self, name: str) -> Path:
        return self._folder / f"memory.{name}"

    @contextmanager
    def limited(self, size: int) -> Iterator[None]:
        """Within this, all containers together have no more than ``size`` bytes."""
        if self._peak == "max_usage_in_bytes":
            self._file(self._peak).write_text("0")
        self._file(self._limit).write_text(str(size))
        try:
            yield
        finally:
            self._file(self._limit).write_text(self._none)

    def killed(self) -> int:
        """Processes that were ended because memory was short, here or below."""
        files = self._folder.glob(f"**/memory.{self._events}")
        rows = [line.split() for file in files for line in file.read_text().splitlines()]
        return sum(int(row[1]) for row in rows if row[0] == "oom_kill")
