"""Places for connections to Postgres: the processes of a host together open `host_connections` at most.

A place is a lock on a byte of a file, which the kernel frees however its process ends.  A host is here
what shares the folder for temporary files: a container is one of its own.
"""

import fcntl
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

import structlog

from workers.connections.postgres import database_dsn, setting

log = structlog.stdlib.get_logger(__name__)

#: Unless the settings say otherwise.
CONNECTIONS, HOST_CONNECTIONS = 4, 60
#: What a process needs: one connection for transactions, one for short statements.
NEEDED = 2
#: One place in so many is kept for beats, consoles and the parents of pools.
KEPT = 5
#: Whoever counts holds all that is free for a moment: others look again (times, seconds).
LOOKS, PAUSE = 20, 0.005
#: Between two later looks of a process that waits until others end (seconds).
LONG_PAUSE = 0.1

#: How many processes this worker's pool may have, and in how many threads each works; 0: unknown.
_pool_size = _threads = 0


class NoPlace(Exception):
    """All connections of this host are taken."""


class _Process:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: set[int] = set()
        self.share: list[int] = []
        self.reserved: set[str] = set()
        self.is_of_pool = self.is_service = self.is_small = False


_own = _Process()
# The locks are the parent's alone, and so is what it is.
os.register_at_fork(after_in_child=lambda: globals().update(_own=_Process()))


def set_pool_size(processes: int, threads: int) -> None:
    """In the parent: processes that are forked from now on share the host's places with so many."""
    global _pool_size, _threads
    _pool_size, _threads = processes, threads
    be_small()


def be_of_pool() -> None:
    """This process is one of a pool: it leaves some places to others."""
    _own.is_of_pool = True


def is_of_pool() -> bool:
    return _own.is_of_pool


def be_service() -> None:
    """This process lives long: it waits for places rather than open connections without."""
    _own.is_service = True


def be_small() -> None:
    """This service has few threads with something to ask."""
    be_service()
    _own.is_small = True


def share() -> int:
    """How many pooled connections this process may have, as long as it lives.

    NoPlace when too few are left, but for a command of people.
    """
    with _own.lock:
        if not _own.share:
            _own.share = _take(NEEDED if _own.is_small else wanted(), NEEDED)
        return len(_own.share) or NEEDED


def give_back() -> None:
    """The pooled connections of this process are closed."""
    with _own.lock:
        _let_go(_own.share)
        _own.held.difference_update(_own.share)
        _own.share = []


def reserve(purpose: str, number: int, patience: float = 0.0) -> None:
    """Take places for connections outside the pools, once for each purpose; NoPlace as in ``share``.

    A process of a pool waits for them up to ``patience`` (seconds).
    """
    with _own.lock:
        if purpose not in _own.reserved:
            _take(number, number, patience)
            _own.reserved.add(purpose)


def wanted() -> int:
    """Pooled connections of a process of this worker, such that its whole pool has places.

    One thread is served by what every process needs.
    """
    if _threads == 1:
        return NEEDED
    fair = (_limit() - _kept()) // max(_pool_size, 1)
    return max(NEEDED, min(int(setting("connections") or CONNECTIONS), fair))


def room() -> int:
    """By how many processes this worker's pool may grow."""
    with _own.lock:
        free = _lock_free()
        _let_go(free)
    return max(0, len(free) - _kept()) // wanted()


def _limit() -> int:
    return int(setting("host_connections") or HOST_CONNECTIONS)


def _kept() -> int:
    return _limit() // KEPT


def _take(number: int, needed: int, patience: float = 0.0) -> list[int]:
    """Take up to ``number`` places, or none unless ``needed`` are free."""
    until = time.monotonic() + (patience if _own.is_of_pool else 0.0)
    for look in itertools.count():
        if look >= LOOKS and time.monotonic() >= until:
            break
        if look:
            time.sleep(PAUSE if look < LOOKS else LONG_PAUSE)
        free = _lock_free()
        found = min(number, len(free) - (_kept() if _own.is_of_pool else 0))
        found = found if found >= needed else 0
        _let_go(free[found:])
        if found:
            _own.held.update(free[:found])
            return free[:found]
    log.warning("connections.none_left", host_connections=_limit(), wanted=number)
    if _own.is_of_pool or _own.is_service:
        raise NoPlace(
            "all connections of this host are taken: start fewer processes, or raise"
            " WATCHKEEPER_HOST_CONNECTIONS"
        )
    return []


def file() -> Path:
    """Holds the places for connections to one database."""
    # What only reads the settings needs no driver.
    from psycopg.conninfo import conninfo_to_dict

    known = conninfo_to_dict(database_dsn())
    return file_of(*(str(known.get(part)) for part in ("host", "port", "dbname")))


def file_of(host: str, port: str, database: str) -> Path:
    """Whoever ends a server of his own removes it: a host's file stays as long as the host."""
    name = f"{host}|{port}|{database}"
    digest = blake2b(name.encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"watchkeeper-{os.getuid()}-{digest}.places"


@cache
def _opened() -> int | None:
    """It stays open: closing it would free all places of this process.  None: nothing is counted."""
    path = file()
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("connections.not_counted", file=str(path), error=error.strerror)
        return None


def _lock_free() -> list[int]:
    """Places that nobody held: they are this process's now."""
    opened, found = _opened(), []
    for place in range(_limit()):
        if opened is None:
            found.append(place)
        elif place not in _own.held:
            with suppress(OSError):
                fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                found.append(place)
    return found


def _let_go(places: Iterable[int]) -> None:
    if (opened := _opened()) is not None:
        for place in places:
            fcntl.lockf(opened, fcntl.LOCK_UN, 1, place)
