"""Doorbells: messages that say that a queue has batches that are ready; the ledger says which.

One that waits in its queue is enough, whoever rings: the process that reads it takes what is ready, and
rings again when more is ready than it can hold.  Losing one, or reading two, changes nothing.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from kombu.serialization import prepare_accept_content

from workers.connections import sentinel

#: The task that a doorbell starts; its argument is the queue.
SESSION = "workers.execution.session"
#: kombu's separator between a queue's name and its priority step, unless option ``sep`` names one.
SEPARATOR = "\x06\x16"
#: Of what is written here without Celery.
JSON = "application/json"
#: In a longer list a doorbell is not looked for: one more does no harm.
MAX_SCANNED = 200
#: What a broker that cannot be reached raises.
UNREACHABLE = (redis.RedisError, BrokerError, OSError)

_CONNECTION: dict[str, Any] = {"socket_timeout": 5, "socket_connect_timeout": 5, "protocol": 2}
_MARK = f'"{SESSION}"'.encode()


def redis_priority(priority: int) -> int:
    """Ours counts up (9 goes first), Redis's steps count down (0 goes first)."""
    return 9 - priority


def as_stored(
    headers: Mapping[str, Any],
    body: str,
    *,
    made: Any,
    sent_to: tuple[str, str],
    priority: int | None,
    tag: str,
) -> str:
    """What Celery ``made`` as kombu keeps it in Redis; ``sent_to`` is an exchange and a routing key."""
    properties = {
        **made.properties,
        "delivery_mode": 2,
        "delivery_info": dict(zip(("exchange", "routing_key"), sent_to, strict=True)),
        **({} if priority is None else {"priority": priority}),
        "body_encoding": "base64",
        "delivery_tag": tag,
    }
    message = {"body": body, "content-encoding": "utf-8", "content-type": JSON}
    return json.dumps({**message, "headers": headers, "properties": properties})


def batch_id(run_id: uuid.UUID, seq: int, fence: int) -> str:
    """Celery's id of a batch: the run's own for its first time, else derived from run, seq and fence.

    ``fence`` is that before the batch was claimed.
    """
    if seq == 0 and fence == 0:
        return str(run_id)
    return str(uuid.uuid5(run_id, f"{seq}:{fence}"))


def channel(app: Celery) -> str:
    """Where sessions that run already hear of a ring: publishing reaches all databases of a server."""
    prefix = app.conf.broker_transport_options.get("global_keyprefix", "")
    with app.connection_for_write() as connection:
        return f"{prefix}watchkeeper.ready.{connection.virtual_host}"


def client(app: Celery) -> redis.Redis | None:
    """Redis by itself; None when the broker is another, or has settings that only Celery knows."""
    url = str(app.conf.broker_write_url or app.conf.broker_url)
    readable = prepare_accept_content(app.conf.accept_content) or ()
    if app.conf.broker_use_ssl or JSON not in readable:
        return None
    if url.startswith(sentinel.SCHEME):
        return sentinel.master(url, app.conf.broker_transport_options, **_CONNECTION)
    # Several addresses, and Python's names of TLS's checks (CERT_NONE), are read by kombu alone.
    if not url.startswith(("redis://", "rediss://")) or ";" in url or "CERT_" in url:
        return None
    return redis.Redis.from_url(url, **_CONNECTION)


class Doorbells:
    def __init__(self, app: Celery, connection: redis.Redis | None) -> None:
        self._app, self._redis = app, connection
        options = app.conf.broker_transport_options
        self._prefix = options.get("global_keyprefix", "")
        self._separator = options.get("sep", SEPARATOR)
        self._steps = sorted(options.get("priority_steps", [0, 3, 6, 9]))
        self._channel = channel(app)

    def key(self, queue: str, priority: int) -> str:
        """The list of a queue's messages of this priority."""
        return self.list_of(queue, redis_priority(priority))

    def list_of(self, queue: str, wanted: int) -> str:
        """The same by Redis's own priority."""
        return self._list(queue, max(step for step in self._steps if step <= wanted))

    def _list(self, queue: str, step: int) -> str:
        return f"{self._prefix}{queue}{self._separator}{step}" if step else f"{self._prefix}{queue}"

    def ring(self, queues: Mapping[str, int]) -> int:
        """Ring once for each queue, at the priority given, where no doorbell waits; returns how many.

        Sessions that run already are told in any case.
        """
        if self._redis is None:
            for queue, priority in queues.items():
                self._send(queue, priority)
            return len(queues)
        silent = {queue: self._lists(queue, priority) for queue, priority in queues.items()}
        waiting = self._waiting(self._redis, [key for keys in silent.values() for key in keys])
        rung = [queue for queue, keys in silent.items() if not waiting.intersection(keys)]
        with self._redis.pipeline(transaction=False) as both:
            for queue in rung:
                both.lpush(self.key(queue, queues[queue]), self._message(queue, queues[queue]))
            both.publish(self._channel, " ".join(queues))
            both.execute()
        return len(rung)

    def _lists(self, queue: str, priority: int) -> list[str]:
        """The lists in which a doorbell is read no later than one of this priority."""
        return [self._list(queue, step) for step in self._steps if step <= redis_priority(priority)]

    @staticmethod
    def _waiting(connection: redis.Redis, keys: list[str]) -> set[str]:
        with connection.pipeline(transaction=False) as lengths:
            for key in keys:
                lengths.llen(key)
            found = [
                key
                for key, length in zip(keys, lengths.execute(), strict=True)
                if 0 < length <= MAX_SCANNED
            ]
        if not found:
            return set()
        with connection.pipeline(transaction=False) as lists:
            for key in found:
                lists.lrange(key, 0, -1)
            bodies = lists.execute()
        return {
            key for key, rows in zip(found, bodies, strict=True) if any(_MARK in row for row in rows)
        }

    def _send(self, queue: str, priority: int) -> None:
        self._app.send_task(SESSION, args=(queue,), queue=queue, priority=priority)

    def _message(self, queue: str, priority: int) -> str:
        """As Celery and kombu make it for their Redis transport."""
        made = self._app.amqp.as_task_v2(
            str(uuid.uuid4()), SESSION, args=(queue,), kwargs={}, ignore_result=True
        )
        return as_stored(
            made.headers,
            base64.b64encode(json.dumps(made.body).encode()).decode(),
            made=made,
            sent_to=(self._app.conf.task_default_exchange, queue),
            priority=redis_priority(priority),
            tag=str(uuid.uuid4()),
        )
