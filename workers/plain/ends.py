"""How calls ended, written to the ledger: at once, and together while they come in quick succession.

A process that ends many short calls writes them with few statements.  An end waits for others for
`MAX_DELAY` at most; whoever stops the process waits for what is not yet written.
"""

import itertools
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import structlog
from celery import signals
from sqlalchemy.exc import DataError, InterfaceError, OperationalError

from workers.backoff import backoff
from workers.ledger import calls
from workers.ledger.calls import Call, Outcome
from workers.plain.kept_connection import kept_driver
from workers.processes import shutdown

log = structlog.stdlib.get_logger(__name__)
_lines = logging.getLogger(__name__)

#: How long a worker tries to write ends when Postgres is away (seconds).
MAX_WRITING = 120.0
#: How long an end waits for others when it comes so soon after the one before (seconds), and how many
#: are written together.
MAX_DELAY, MAX_TOGETHER = 0.1, 32

_UNREACHABLE = (OperationalError, InterfaceError)


class End(NamedTuple):
    call: Call
    outcome: Outcome
    worker: str


class _Writer:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked child: threads, locks and what waits are the parent's."""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[End] = []
        self._last = float("-inf")
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, end: End) -> None:
        now = time.monotonic()
        is_quick, self._last = now - self._last < MAX_DELAY, now
        if not is_quick or shutdown.requested():
            write_all([end])
            return
        with self._lock:
            self._waiting.append(end)
            number = len(self._waiting)
        if number >= MAX_TOGETHER:
            self.flush()
        elif number == 1:
            self._wake()

    def flush(self) -> None:
        """Write what waits, after what somebody else is writing."""
        with self._writing:
            with self._lock:
                ends, self._waiting = self._waiting, []
            if ends:
                write_all(ends)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._flush_late, name="plain-ends", daemon=True)
            self._thread.start()
        self._wanted.set()

    def _flush_late(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            time.sleep(MAX_DELAY)
            try:
                self.flush()
            except Exception:
                log.exception("run.unended")


_writer = _Writer()
os.register_at_fork(after_in_child=_writer.forget)


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def flush(**_: Any) -> None:
    _writer.flush()


def write(call: Call, outcome: Outcome, worker: str) -> None:
    end = End(call, outcome, worker)
    if outcome.is_end:
        _writer.add(end)
    else:
        write_all([end])


def write_all(ends: Sequence[End]) -> None:
    """Write ends, also when Postgres comes back late; what became of a lost lease is said."""
    until = time.monotonic() + MAX_WRITING
    for failures in itertools.count(1):
        try:
            _write(ends)
            break
        except _UNREACHABLE as error:
            if time.monotonic() > until or shutdown.requested():
                for end in ends:
                    _say("run.unended", end, logging.ERROR, why=type(error).__name__)
                return
            time.sleep(backoff(failures, 0.2, 5.0))
        except DataError:
            if len(ends) > 1:
                for end in ends:
                    write_all([end])
                return
            # A value that JSON has and Postgres has not, e.g. half a surrogate pair.
            outcome = replace(
                ends[0].outcome, result={"summary": "a result that cannot be stored"}, traceback=None
            )
            ends = [ends[0]._replace(outcome=outcome)]
    for end in ends:
        _say("run.end", end, logging.INFO)


def _write(ends: Sequence[End]) -> None:
    with kept_driver() as connection:
        over = [end for end in ends if end.outcome.is_end]
        written = calls.end(connection, [(end.call, end.outcome) for end in over]) if over else set()
        for end in ends:
            call, outcome, worker = end
            if outcome.is_end:
                if call.run_id in written:
                    continue
            elif calls.go_on(connection, call, outcome) or outcome.state == "retry":
                continue
            note = f"{outcome.state} on {worker} after its lease was lost"
            if calls.note_lost(connection, call, outcome.state, note):
                _say("lease.lost", end, logging.WARNING)


def _say(event: str, end: End, level: int, **more: Any) -> None:
    # Asked first: a line that nobody reads costs as much as the statement.
    if _lines.isEnabledFor(level):
        call, outcome = end.call, end.outcome
        log.log(
            level, event, run_id=str(call.run_id), schedule=call.schedule, fence=call.fence,
            state=outcome.state, error=outcome.error, **more,
        )  # fmt: skip
