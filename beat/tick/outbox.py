"""Sends what is committed, sends it again until a worker has it (statements on `batch`).

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
from typing import Any, cast
from uuid import uuid4

import psycopg
import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from beat.tick.envelope import Envelopes, message_id, redis_priority
from beat.tick.ledger import RESERVED, Message, array
from workers.ledger.faults import point
from workers.settings import settings

log = structlog.stdlib.get_logger("beat.tick.outbox")
#: Where Celery's own beat says what it sends.
celery_log = logging.getLogger("celery.beat")

Connection = psycopg.Connection[Any]

#: What a broker that is out of reach raises.
AWAY = (redis.RedisError, BrokerError, OSError)
#: More messages than this at once are said in one line.
MOST_LINES = 20
#: Messages in one push.
CHUNK = 500
#: Most messages of one queue and priority that are looked through for a missing one.
MOST_SCANNED = 5_000
#: What was sent is looked for after a while, each time twice as late, at last so late (seconds): a
#: message seen in its queue, or that no look can find; and one that went missing and was sent again.
LATEST_IN_QUEUE, LATEST_RESENT = 600.0, 60.0
#: A beat that has ended leaves its proof in Redis for so long (seconds).
PROOF_LASTS = 3600
#: kombu's separator between a queue's name and its priority step.
SEPARATOR = "\x06\x16"

#: Batches whose time has come are reserved for us; those of one beat another beat skips.
TO_SEND = f"""
with ready as materialized (
    select run_id, seq, state from batch
     where state in ('waiting', 'sent') and send_at <= %(now)s
     order by send_at limit %(limit)s for update skip locked
)
update batch b set send_at = %(now)s + {RESERVED}
  from ready join run r on r.id = ready.run_id
 where b.run_id = ready.run_id and b.seq = ready.seq
returning b.run_id::text, b.seq, b.fence, b.task, b.queue, b.priority, r.schedule, ready.state
"""  # noqa: S608 - a constant of our own

#: By key: the state is written so that no index of states is read for it, however small it looks.
#: Whoever holds a batch now claims, ends or changes it, and is not waited for: a deadlock with those
#: who come for the batches of many runs would be a matter of time.
_GIVEN = """
  from (select b.run_id, b.seq
          from unnest(%(ids)s::uuid[], %(seqs)s::int[], %(fences)s::int[]) as m(run_id, seq, fence)
          join batch b on b.run_id = m.run_id and b.seq = m.seq and b.fence = m.fence
         where b.state || '' in ('waiting', 'sent')
           for no key update of b skip locked) given
 where b.run_id = given.run_id and b.seq = given.seq
"""

MARK = f"""
update batch b
   set state = 'sent', sends = least(b.sends + 1, 30), updated_at = clock_timestamp(),
       send_at = clock_timestamp()
                 + least(%(after)s * power(2, least(b.sends, 10)), greatest(%(after)s, %(most)s))
                   * interval '1 second'
{_GIVEN}"""  # noqa: S608

UNRESERVE = f"""
update batch b set send_at = clock_timestamp() {_GIVEN}"""  # noqa: S608

LOOK_FOR_ALL = """
update batch b set send_at = %(now)s
  from (select run_id, seq from batch where state = 'sent' and send_at > %(now)s
           for no key update skip locked) sent
 where b.run_id = sent.run_id and b.seq = sent.seq
"""

NEXT_SEND = "select min(send_at) from batch where state in ('waiting', 'sent') and send_at is not null"


class Outbox:
    """Pushes messages to Redis, or through Celery's producer to any other broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._envelopes = Envelopes(app)
        url = settings().broker_url.get_secret_value()
        self._prefix = app.conf.broker_transport_options.get("global_keyprefix", "")
        self._steps = app.conf.broker_transport_options.get("priority_steps", [0, 3, 6, 9])
        self._redis: redis.Redis | None = None
        self._proof, self._proofs = f"{self._prefix}watchkeeper.written.{uuid4()}", 0
        if url.startswith(("redis://", "rediss://")):
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
        """Whether a message that went missing can be told from one that waits."""
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
            both.set(self._proof, self._proofs, ex=PROOF_LASTS, get=True)
            sign, number = both.execute()
        return sign is None if expected == 0 else number != str(expected).encode()

    def publish(self, messages: Iterable[Message]) -> None:
        """Push the messages; raises when the broker is away (they stay in the ledger)."""
        if self._redis is None:
            self._publish_slowly(messages)
            return
        by_key: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            by_key[self._key(message)].append(self._envelopes.fill(message))
        for key, bodies in by_key.items():
            for start in range(0, len(bodies), CHUNK):
                self._redis.lpush(key, *bodies[start : start + CHUNK])

    def _publish_slowly(self, messages: Iterable[Message]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for message in messages:
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
            if self._redis.llen(key) > MOST_SCANNED:
                continue
            queued = set(map(_id_of, cast("list[bytes]", self._redis.lrange(key, 0, -1))))
            lost += [message for message in given if message_id(message) not in queued]
        return lost

    def close(self) -> None:
        """Give the connection back."""
        if self._redis is not None:
            self._redis.close()


def _id_of(body: bytes) -> str:
    mark = b'"correlation_id": "'
    start = body.find(mark) + len(mark)
    return body[start : start + 36].decode("ascii", "replace")


def send(connection: Connection, outbox: Outbox, messages: list[Message]) -> None:
    """Push, then mark; not in a transaction while it pushes.

    When the broker is away the messages stay in the ledger, ready for whoever reaches it first.
    """
    if not messages:
        return
    try:
        outbox.publish(messages)
    except AWAY:
        unreserve(connection, messages)
        raise
    point("after-publish")
    _say(messages)
    _mark(connection, messages, LATEST_RESENT if outbox.sees_queues else LATEST_IN_QUEUE)
    point("after-mark")


def _mark(connection: Connection, messages: list[Message], most: float) -> None:
    after = settings().resend_after_seconds
    connection.execute(MARK, {**_given(messages), "after": after, "most": most})


def look_for_all(connection: Connection, now: datetime) -> None:
    """Whatever was sent and has not begun may be gone: look for all of it at once."""
    connection.execute(LOOK_FOR_ALL, {"now": now})


def unreserve(connection: Connection, messages: list[Message]) -> None:
    """The messages were not sent: any beat that reaches the broker may."""
    if messages:
        connection.execute(UNRESERVE, _given(messages))


def _given(messages: list[Message]) -> dict[str, str]:
    """The batches by key."""
    return {
        "ids": array([message.run_id for message in messages]),
        "seqs": array([message.seq for message in messages]),
        "fences": array([message.fence for message in messages]),
    }


def _say(messages: list[Message]) -> None:
    """Celery's own line for each message; at DEBUG when many, lines cost more than messages."""
    level = logging.INFO if len(messages) <= MOST_LINES else logging.DEBUG
    if celery_log.isEnabledFor(level):
        for message in messages:
            celery_log.log(level, "Scheduler: Sending due task %s (%s)", message.schedule, message.task)
    if len(messages) > MOST_LINES:
        log.info("batch.sent", messages=len(messages))


def take_ready(
    connection: Connection, outbox: Outbox, now: datetime, limit: int
) -> tuple[int, list[Message]]:
    """Reserve batches whose time has come: new ones, handed back ones, and those gone missing.

    Returns how many were looked at, and what to send. A sent one that still lies in its queue is only
    marked again, so that it is looked for later and later.
    """
    with connection.transaction():
        rows = connection.execute(TO_SEND, {"now": now, "limit": limit}).fetchall()
    fresh = [Message(*row[:7]) for row in rows if row[7] == "waiting"]
    again = [Message(*row[:7]) for row in rows if row[7] == "sent"]
    if not again:
        return len(rows), fresh
    lost = outbox.missing(again)
    if lost:
        log.info("batch.resent", batches=len(lost))
    gone = {message_id(message) for message in lost}
    still = [message for message in again if message_id(message) not in gone]
    if still:
        _mark(connection, still, LATEST_IN_QUEUE)
    return len(rows), fresh + lost
