"""Writes to the ledger from a worker's event loop, which must not wait for Postgres."""

import queue
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: More that wait than this are dropped, with a line in the log: Postgres has been away for long.
MAX_WAITING = 10_000

Write = Callable[[], Any]


def later(write: Write) -> None:
    """Do ``write`` on a thread beside the event loop, after those before it."""
    try:
        _waiting().put_nowait(write)
    except queue.Full:
        log.error("ledger.unwritten", why=f"{MAX_WAITING} others wait for Postgres")


@cache
def _waiting() -> queue.Queue[Write]:
    waiting: queue.Queue[Write] = queue.Queue(MAX_WAITING)
    threading.Thread(target=_write_all, args=(waiting,), name="ledger", daemon=True).start()
    return waiting


def _write_all(waiting: queue.Queue[Write]) -> None:
    while True:
        write = waiting.get()
        try:
            write()
        except (SQLAlchemyError, OSError) as error:
            log.error("ledger.unwritten", error=brief(error))
        except Exception:
            log.exception("ledger.unwritten")


def forget() -> None:
    """In a forked child: the thread is the parent's."""
    _waiting.cache_clear()
