"""Announces what is committed, and again until a worker has it.

A batch is committed as ``sent``, which means announced; after the commit its queue's doorbell is rung,
unless one waits there.  Whatever dies in between, a batch that nobody takes is noticed after a while,
and the doorbell is rung again.  A worker of an older release knows no doorbells: in its queues each
batch has a message of its own, which is looked for after a while.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import cast
from uuid import uuid4

import structlog
from celery import Celery

from beat.tick import calls
from beat.tick.calls import Calls
from beat.tick.context import ROUND
from beat.tick.envelope import Envelopes, message_id
from workers.backoff import backoff
from workers.db import Driver
from workers.ledger import faults, sent
from workers.ledger.sent import Message
from workers.processes import doorbells
from workers.processes.doorbells import UNREACHABLE, Doorbells

log = structlog.stdlib.get_logger("beat.tick.outbox")
#: Where Celery's own beat says what it sends.
celery_log = logging.getLogger("celery.beat")
#: More messages than this at once are logged in one line.
MAX_LINES = 20
#: Messages in one push.
CHUNK = 500
#: Most messages of one queue and priority that are looked through for a missing one.
MAX_SCANNED = 5_000
#: What was sent is looked for after a while, each time twice as late, at last so late (seconds): a
#: message seen in its queue, or that no look can find; and one that went missing and was sent again.
MAX_WAIT_IN_QUEUE, MAX_WAIT_RESENT = 600.0, 60.0
#: A beat that has ended leaves its proof in Redis for so long (seconds).
PROOF_TTL = 3600


class Outbox:
    """Pushes messages to Redis, or through Celery's producer to any other broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._envelopes, self._calls = Envelopes(app), Calls(app)
        self._steps = app.conf.broker_transport_options.get("priority_steps", [0, 3, 6, 9])
        self._prefix = app.conf.broker_transport_options.get("global_keyprefix", "")
        self._proof, self._proofs = f"{self._prefix}watchkeeper.written.{uuid4()}", 0
        self._redis = doorbells.client(app)
        self._doorbells = Doorbells(app, self._redis)

    def ping(self) -> None:
        """Raise when the broker does not answer, or takes nothing (full, or a replica)."""
        if self._redis is not None:
            with self._redis.pipeline() as there_and_back:
                sign = f"{self._prefix}watchkeeper.sign"
                there_and_back.lpush(sign, "taken")
                there_and_back.rpop(sign)
                there_and_back.execute()
        else:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=5)

    @property
    def sees_queues(self) -> bool:
        return self._redis is not None

    @property
    def max_wait(self) -> float:
        """How long a message that was sent again is not looked for, at most (seconds)."""
        return MAX_WAIT_RESENT if self.sees_queues else MAX_WAIT_IN_QUEUE

    def ring_pause(self, rings: int) -> float:
        """Pause after so many rings for what nobody takes (seconds).

        Where nobody sees whether a doorbell still waits, each ring is one message more.
        """
        return ROUND if self.sees_queues else backoff(rings, ROUND, MAX_WAIT_IN_QUEUE)

    def has_lost(self) -> bool:
        """Whether Redis lost something since the last call: flushed, or back from an older state.

        Each call leaves a number that the next one must find, and a sign that a new beat must find.
        """
        if self._redis is None:
            return False
        expected, self._proofs = self._proofs, self._proofs + 1
        with self._redis.pipeline() as both:
            both.set(f"{self._prefix}watchkeeper.written", 1, get=True)
            both.set(self._proof, self._proofs, ex=PROOF_TTL, get=True)
            sign, number = both.execute()
        return sign is None if expected == 0 else number != str(expected).encode()

    def ring(self, messages: Iterable[Message]) -> None:
        """Ring for the queues of these batches; raises when the broker is away."""
        queues: dict[str, int] = {}
        for message in messages:
            queues[message.queue] = max(message.priority, queues.get(message.queue, 0))
        if queues:
            self._doorbells.ring(queues)

    def ring_for(self, queues: Mapping[str, int]) -> int:
        return self._doorbells.ring(queues) if queues else 0

    def publish(self, messages: Iterable[Message]) -> None:
        """Push a message for each of these batches; raises when the broker is away."""
        if self._redis is None:
            self._publish_slowly(messages)
            return
        by_key: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            by_key[self._key(message)].append(self._fill(message))
        for key, bodies in by_key.items():
            for start in range(0, len(bodies), CHUNK):
                self._redis.lpush(key, *bodies[start : start + CHUNK])

    def _fill(self, message: Message) -> str:
        if message.call is None:
            return self._envelopes.fill(message)
        return self._calls.fill(message, calls.redis_priority(message.priority, self._steps))

    def _publish_slowly(self, messages: Iterable[Message]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for message in messages:
                if message.call is not None:
                    self._calls.send(message, producer)
                    continue
                self._app.send_task(
                    message.task,
                    args=(str(message.run_id), message.seq),
                    task_id=message_id(message),
                    root_id=str(message.run_id),
                    queue=message.queue,
                    priority=message.priority,
                    headers={"celery_beat_task": True, "periodic_task_name": message.schedule},
                    producer=producer,
                )

    def _key(self, message: Message) -> str:
        if message.call is None:
            return self._doorbells.key(message.queue, message.priority)
        wanted = calls.redis_priority(message.priority, self._steps) or 0
        return self._doorbells.list_of(message.queue, wanted)

    def missing(self, messages: list[Message]) -> list[Message]:
        """Those whose message is in no queue any more.

        A very long queue is not read: its workers are behind, and what it has lost is sent once they
        are not.
        """
        if self._redis is None:
            return messages
        by_key: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            by_key[self._key(message)].append(message)
        lost: list[Message] = []
        for key, given in by_key.items():
            if self._redis.llen(key) > MAX_SCANNED:
                continue
            queued = set(map(_id_of, cast("list[bytes]", self._redis.lrange(key, 0, -1))))
            lost += [message for message in given if message_id(message) not in queued]
        return lost

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()


def _id_of(body: bytes) -> str:
    mark = b'"correlation_id": "'
    start = body.find(mark) + len(mark)
    return body[start : start + 36].decode("ascii", "replace")


def send(
    connection: Driver, outbox: Outbox, messages: list[Message], old: Collection[str] = ()
) -> None:
    """Announce these batches, which the ledger has as announced; not in a transaction meanwhile.

    ``old``: queues whose workers know no doorbells.  When the broker is away the batches are taken
    back, ready for whoever reaches it first.
    """
    if not messages:
        return
    plain = [one for one in messages if one.call is not None]
    doorbells = [one for one in messages if one.call is None and one.queue not in old]
    unheard = [one for one in messages if one.call is None and one.queue in old]
    try:
        outbox.ring(doorbells)
        outbox.publish(plain + unheard)
    except UNREACHABLE:
        sent.take_back(connection, messages)
        raise
    faults.point("after-publish")
    _log_sent(messages)
    if unheard:
        sent.mark(connection, unheard, outbox.max_wait)
    faults.point("after-mark")


def _log_sent(messages: list[Message]) -> None:
    """Celery's own line for each message; at DEBUG when many, lines cost more than messages."""
    level = logging.INFO if len(messages) <= MAX_LINES else logging.DEBUG
    if celery_log.isEnabledFor(level):
        for message in messages:
            celery_log.log(level, "Scheduler: Sending due task %s (%s)", message.schedule, message.task)
    if len(messages) > MAX_LINES:
        log.info("batch.sent", messages=len(messages))


def find_lost(
    connection: Driver, outbox: Outbox, now: datetime, limit: int, low: datetime | None = None
) -> list[Message]:
    """Batches whose own message has gone missing; one that lies in its queue is looked for later."""
    again = sent.look_for(connection, now, limit, low)
    lost = outbox.missing(again) if again else []
    if lost:
        log.info("batch.resent", batches=len(lost))
    gone = {message_id(message) for message in lost}
    queued = [message for message in again if message_id(message) not in gone]
    if queued:
        sent.mark(connection, queued, MAX_WAIT_IN_QUEUE)
    plain = [message for message in lost if message.call is not None]
    if plain:
        sent.mark(connection, plain, outbox.max_wait)
    return lost


def ring_again(
    connection: Driver, outbox: Outbox, before: datetime, limit: int, old: Collection[str] = ()
) -> None:
    """Ring where batches announced before that time are left, and no doorbell waits."""
    left = sent.left(connection, before)
    rung = outbox.ring_for({queue: left[queue] for queue in left if queue not in old})
    if rung:
        log.info("queue.rung_again", queues=rung)
    deaf = [queue for queue in left if queue in old]
    if deaf:
        send(connection, outbox, sent.left_in(connection, deaf, before, limit), old)
