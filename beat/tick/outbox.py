"""Sends what is committed, and sends it again until a worker has it.

A batch is committed first, with ``send_at`` a few seconds ahead: reserved for the beat that wrote it.
After the commit its message is pushed, then the batch is marked ``sent``.  Whatever dies in between,
``send_at`` comes, and any beat sends it.  A sent batch that no worker has begun is looked for in the
queue after a while, and sent again only when it is missing there.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import cast
from uuid import uuid4

import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from beat.tick import calls
from beat.tick.calls import Calls
from beat.tick.envelope import Envelopes, message_id, redis_priority
from workers.db import Driver
from workers.ledger import faults, sent
from workers.ledger.sent import Message

log = structlog.stdlib.get_logger("beat.tick.outbox")
#: Where Celery's own beat says what it sends.
celery_log = logging.getLogger("celery.beat")

#: What a broker that cannot be reached raises.
UNREACHABLE = (redis.RedisError, BrokerError, OSError)
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
#: kombu's separator between a queue's name and its priority step.
SEPARATOR = "\x06\x16"


class Outbox:
    """Pushes messages to Redis, or through Celery's producer to any other broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._envelopes, self._calls = Envelopes(app), Calls(app)
        url = str(app.conf.broker_write_url or app.conf.broker_url)
        self._prefix = app.conf.broker_transport_options.get("global_keyprefix", "")
        self._steps = app.conf.broker_transport_options.get("priority_steps", [0, 3, 6, 9])
        self._redis: redis.Redis | None = None
        self._proof, self._proofs = f"{self._prefix}watchkeeper.written.{uuid4()}", 0
        if url.startswith(("redis://", "rediss://")) and not app.conf.broker_use_ssl:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=5, socket_connect_timeout=5, protocol=2
            )

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

    def publish(self, messages: Iterable[Message]) -> None:
        """Push the messages; raises when the broker is away (they stay in the ledger)."""
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
        wanted = redis_priority(message.priority)
        if message.call is not None:
            wanted = calls.redis_priority(message.priority, self._steps) or 0
        step = max(step for step in self._steps if step <= wanted)
        name = f"{message.queue}{SEPARATOR}{step}" if step else message.queue
        return f"{self._prefix}{name}"

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


def send(connection: Driver, outbox: Outbox, messages: list[Message]) -> None:
    """Push, then mark; not in a transaction while it pushes.

    When the broker is away the messages stay in the ledger, ready for whoever reaches it first.
    """
    if not messages:
        return
    try:
        outbox.publish(messages)
    except UNREACHABLE:
        sent.unreserve(connection, messages)
        raise
    faults.point("after-publish")
    _log_sent(messages)
    sent.mark(connection, messages, MAX_WAIT_RESENT if outbox.sees_queues else MAX_WAIT_IN_QUEUE)
    faults.point("after-mark")


def _log_sent(messages: list[Message]) -> None:
    """Celery's own line for each message; at DEBUG when many, lines cost more than messages."""
    level = logging.INFO if len(messages) <= MAX_LINES else logging.DEBUG
    if celery_log.isEnabledFor(level):
        for message in messages:
            celery_log.log(level, "Scheduler: Sending due task %s (%s)", message.schedule, message.task)
    if len(messages) > MAX_LINES:
        log.info("batch.sent", messages=len(messages))


def take_ready(
    connection: Driver, outbox: Outbox, now: datetime, limit: int
) -> tuple[int, list[Message]]:
    """Reserve batches whose time has come: new ones, handed back ones, and those gone missing.

    Returns how many were looked at, and what to send. A sent one that still lies in its queue is only
    marked again, so that it is looked for later and later.
    """
    with connection.transaction():
        fresh, again = sent.reserve(connection, now, limit)
    lost = outbox.missing(again) if again else []
    if lost:
        log.info("batch.resent", batches=len(lost))
    gone = {message_id(message) for message in lost}
    queued = [message for message in again if message_id(message) not in gone]
    if queued:
        sent.mark(connection, queued, MAX_WAIT_IN_QUEUE)
    return len(fresh) + len(again), fresh + lost
