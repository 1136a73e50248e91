"""Data folders of a sandbox: one owner at a time; files of others are never removed."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sandbox.processes import NotStarted, unprivileged

#: File whose lock the sandbox holds while it uses the folder; the kernel frees it when the owner dies.
LOCK = "lock"
#: What a sandbox makes in its folder, and alone removes from it.
OWN_FILES = (
    "postgres-[0-9]*",
    "postgres-password",
    "postgres.log",
    "valkey",
    "logs",
    "upstreams",
    "heartbeats",
    "env",
)
#: Programs that it writes there.
OWN_PROGRAMS = ("watchkeeper", "psql")  # fmt: skip
#: A file system in memory, and the space that must be free in it (bytes).
MEMORY, MIN_FREE = Path("/dev/shm"), 4 << 30


def default(folder: Path) -> tuple[Path, str | None]:
    """``folder``; another, with the reason, when Postgres' user cannot enter it."""
    if unprivileged() is None:
        return folder, None
    there = [path for path in folder.parents if path.exists()]
    closed = [path for path in there if not path.stat().st_mode & 0o001]
    if not closed:
        return folder, None
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    other = Path(tempfile.gettempdir()) / f"watchkeeper-sandbox-{name}"
    return other, f"{closed[-1]} is closed to other users, so the data lives in {other}"


def _lock(file: Path) -> int | None:
    held = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def is_used(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return False
    held = _lock(folder / LOCK)
    if held is None:
        return True
    os.close(held)
    return False


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Create the folder if needed and lock it; NotStarted when another sandbox uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    held = _lock(folder / LOCK)
    if held is None:
        raise NotStarted(f"another sandbox runs in {folder}; end it, or give another --data")
    try:
        yield folder
    finally:
        os.close(held)


def delete_data(folder: Path) -> None:
    for pattern in OWN_FILES:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    for program in (folder / name for name in OWN_PROGRAMS):
        # A folder of that name is somebody else's.
        if program.is_file():
            program.unlink()


def _candidates() -> tuple[Path, ...]:
    # Creating a Postgres database, a thousand files, takes twenty times as long on a disk.
    disk = Path(tempfile.gettempdir())
    return (disk,) if "TMPDIR" in os.environ else (MEMORY, disk)


def _has_room(place: Path) -> bool:
    """Whether the folder has space for a sandbox; containers often have a tiny /dev/shm."""
    try:
        free, memory = shutil.disk_usage(place).free, Path("/proc/meminfo").read_text()
    except OSError:
        return False
    available = re.search(r"^MemAvailable:\s+(\d+) kB$", memory, re.MULTILINE)
    left = int(available[1]) * 1024 if available else 0
    return min(free, left) >= MIN_FREE and os.access(place, os.W_OK | os.X_OK)


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """A folder that other users may enter, removed at the end; those of killed owners go now."""
    for left in (left for place in _candidates() for left in place.glob(f"{prefix}*")):
        if (left / LOCK).exists() and left.stat().st_uid == os.geteuid() and not is_used(left):
            shutil.rmtree(left, ignore_errors=True)
    *quick, disk = _candidates()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=next(filter(_has_room, quick), disk)))
    folder.chmod(0o755)
    # Locked before the file gets the name that other processes look for.
    held = _lock(folder / "making")
    (folder / "making").rename(folder / LOCK)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)
