"""The parent of a pool looks after its processes: what they have in hand, and whether their clocks run.

A thread that hangs while it holds the interpreter's lock stops its whole process, so that nobody inside
can tell.  A process whose clock stands is killed; of one that has ended the batches in hand are taken
back at once.  Had it one alone, that one counts a death; of several each may be the cause: suspects run
alone from then on.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from celery import bootsteps
from celery.worker.state import active_requests
from sqlalchemy.exc import SQLAlchemyError

from workers.connections.forks import no_fork
from workers.db import driver_transaction
from workers.ledger import rescued
from workers.pool.reaping import reap_at_once
from workers.processes import doorbells, shutdown, slots
from workers.processes.doorbells import batch_id
from workers.processes.reports import report
from workers.processes.slots import InHand, Region
from workers.redaction import brief
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks.
POLL_SECONDS = 0.5
#: A session's clock may stand for so long at least (seconds); a longer lease is waited for.
MAX_STANDSTILL = 20.0
#: A session ends its process itself when a batch hangs; the parent does after so long (seconds).
GRACE = 30.0


class Idleness:
    """For how long nobody has seen a process of this worker with anything in hand."""

    def __init__(self) -> None:
        self._busy_at = time.monotonic()

    def look(self, in_hand: bool) -> None:
        """A message of a plain task is in hand too."""
        # The event loop may change the set meanwhile: the next look comes soon.
        with suppress(RuntimeError):
            in_hand = in_hand or any(one.name != doorbells.SESSION for one in active_requests)
        if in_hand:
            self._busy_at = time.monotonic()

    @property
    def seconds(self) -> int:
        return int(time.monotonic() - self._busy_at)


#: Of this worker, as its watch has seen it.
idleness = Idleness()


class SlotWatch(bootsteps.StartStopStep):
    """Bootstep of the consumer: its threads outlive lost connections."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._threads: list[threading.Thread] = []
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        tell_queues(consumer)
        reap_at_once(consumer.pool)
        if not self._threads:
            self._threads = [_Watch(), _Ear(consumer)]
            for thread in self._threads:
                thread.start()


def tell_queues(consumer: Any) -> None:
    tasks = consumer.task_consumer
    if tasks is not None:
        slots.set_queues([queue.name for queue in tasks.queues])


class _Ear(threading.Thread):
    """Hears of doorbells for sessions that run already, and tells them."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(name="ear", daemon=True)
        self._app = consumer.app

    def run(self) -> None:
        pause = threading.Event()
        while True:
            connection = doorbells.client(self._app)
            if connection is None:
                return
            with suppress(*doorbells.UNREACHABLE), connection.pubsub() as heard:  # type: ignore[no-untyped-call]
                with no_fork():
                    heard.subscribe(doorbells.channel(self._app))
                while True:
                    if heard.get_message(timeout=5.0):
                        slots.ring()
            # Sessions look by themselves once a second.
            pause.wait(1.0)


class _Watch(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="slot-watch", daemon=True)
        #: By process: its clock as it was last, and for how long it has stood.
        self._clocks: dict[int, tuple[float, float]] = {}

    def run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(POLL_SECONDS)
            in_hand = [bool(self._look(region)) for region in slots.regions()]
            idleness.look(any(in_hand))

    def _look(self, region: Region) -> list[InHand]:
        """What its process has in hand."""
        in_hand = region.in_hand()
        try:
            self._look_after(region, in_hand)
        except (SQLAlchemyError, OSError) as error:
            # Looked at again; beat takes the batches back when their leases end.
            log.warning("slots.not_taken_back", error=brief(error))
        return in_hand

    def _look_after(self, region: Region, in_hand: Sequence[InHand]) -> None:
        pid = region.pid
        if not is_alive(pid):
            take_back(region.in_hand(), pid)
            region.clear()
            self._clocks.pop(pid, None)
        elif region.in_session and (reason := self._stuck(region, in_hand)):
            log.error("process.killed", pid=pid, reason=reason)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _stuck(self, region: Region, in_hand: Sequence[InHand]) -> str | None:
        """Standing is counted by looks, so that a machine that stood still kills nobody."""
        before, stood = self._clocks.get(region.pid, (0.0, 0.0))
        stood = stood + POLL_SECONDS if region.clock == before else 0.0
        self._clocks[region.pid] = (region.clock, stood)
        if stood > max(MAX_STANDSTILL, settings().lease_seconds):
            return f"its clock stood for {stood:.0f} s"
        late = time.monotonic() - GRACE
        if any(one.until < late for one in in_hand):
            return "a batch hangs, and its process does not end"
        return None


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self").is_dir():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def take_back(in_hand: Sequence[InHand], pid: int) -> None:
    """End the leases of a process that has ended."""
    if not in_hand:
        return
    hung = any(one.hung for one in in_hand)
    blamed = [one for one in in_hand if one.hung or not hung]
    for one in sorted(in_hand):
        died = one in blamed and not shutdown.requested()
        with driver_transaction() as connection:
            state = rescued.take_over(
                connection, one.run_id, one.seq, one.fence, died=died, counts=len(blamed) == 1
            )
        uuid = batch_id(one.run_id, one.seq, one.fence - 1)
        report("failed", uuid=uuid, exception=f"WorkerLostError('process {pid} ended')", traceback="")
        if state is not None:
            log.warning(
                "batch.taken_back", run_id=str(one.run_id), seq=one.seq, pid=pid, state=state,
                died=died, with_others=len(in_hand) - 1,
            )  # fmt: skip
