"""Redis as Celery's broker: its settings, and fixes of two defects of kombu 5.7."""

import math
from contextlib import suppress
from typing import Any

import structlog
from kombu import Exchange, Queue
from kombu.transport import redis as kombu_redis
from kombu.utils import json as kombu_json
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError

from workers.installation.domains import domains
from workers.installation.queues import queue_names
from workers.redaction import redact
from workers.settings import BROWSER_QUEUE, DEFAULT_QUEUE, NOTICES_QUEUE

log = structlog.stdlib.get_logger(__name__)

EXCHANGE = Exchange("watchkeeper", type="direct")

#: How much of a broken message is logged (characters).
MAX_EXCERPT = 500

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Unused, because messages are acknowledged at once; kombu requires a value.
    "visibility_timeout": 3600,
    "health_check_interval": 10,
    # A dead peer must not block a publisher; longer than kombu's blocking pop of 1 s.
    "socket_timeout": 15,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "max_connections": 64,
    "queue_order_strategy": "priority",
    # A list for each priority: with kombu's four, 9, 8 and 7 would be one.
    "priority_steps": list(range(10)),
}


def queues() -> list[Queue]:
    names = [*queue_names(), BROWSER_QUEUE]
    return [Queue(name, EXCHANGE, routing_key=name) for name in names]


def route(name: str, *_: Any, **__: Any) -> dict[str, str]:
    """Queue of a task named on a command line: its domain's, else one of our own."""
    folder = name.split(".")[1] if name.startswith("tasks.") and name.count(".") >= 2 else ""
    domain = domains().get(folder)
    own = NOTICES_QUEUE if folder == "watches" else DEFAULT_QUEUE
    return {"queue": domain.queue if domain else own}


class BrokenMessage(ValueError):
    """An entry of a queue is no valid message."""


#: What reading a malformed message may raise.
BROKEN = (
    TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError,
)  # fmt: skip


def patch_kombu() -> None:
    """Fix two defects of kombu 5.7.0: a Redis restart, and a broken message, must not end a worker.

    ``Channel._connparams`` reads ``connection.client.hostname`` after the client has been collected;
    the AttributeError is no connection error, so Celery ends the worker or hangs.  Raised as
    a connection error, Celery reconnects.  List entries that are no valid messages raise errors that
    Celery does not handle: they are dropped with a log line, and the next one is read.
    """
    channel: Any = kombu_redis.Channel
    if hasattr(channel, "patched"):
        return
    channel.patched = True
    channel._connparams = _known_connection(channel._connparams)  # noqa: SLF001
    channel._brpop_read = _tolerant(channel._brpop_read)  # noqa: SLF001
    channel._receive = _tolerant(channel._receive)  # noqa: SLF001
    transport: Any = kombu_redis.Transport
    transport._deliver = _careful(transport._deliver)  # noqa: SLF001
    kombu_redis.loads = _loads  # type: ignore[attr-defined]


def _known_connection(original: Any) -> Any:
    def _connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the channel to Redis is closed")
        return original(self, asynchronous=asynchronous)

    return _connparams


def _loads(text: str) -> Any:
    try:
        return kombu_json.loads(text)
    except BROKEN as error:
        raise BrokenMessage(f"{type(error).__name__}: {error}: {text[:MAX_EXCERPT]}") from None


def _tolerant(read: Any) -> Any:

    def _read(self: Any, **options: Any) -> Any:
        try:
            return read(self, **options)
        except (BrokenMessage, UnicodeDecodeError) as error:
            log.error("message.dropped", error=redact(str(error)[:MAX_EXCERPT]))
            return True

    return _read


def _careful(deliver: Any) -> Any:
    """Deliver a message; acknowledge one that Celery cannot read, so that it never comes back."""

    def _deliver(self: Any, message: Any, queue: str) -> None:
        try:
            _check_limits(message.get("headers") or {})
            deliver(self, message, queue)
        except BROKEN as error:
            text = f"{type(error).__name__}: {error}: {message!r}"
            log.error("message.dropped", queue=queue, error=redact(text[:MAX_EXCERPT]))
            _acknowledge(self, message)

    return _deliver


def _check_limits(headers: dict[str, Any]) -> None:
    """Celery reads time limits only in its event loop, which a malformed one would end."""
    limits = headers.get("timelimit") or (None, None)
    if len(limits) != 2 or not all(one is None or 0 < float(one + 0) < math.inf for one in limits):
        raise BrokenMessage("timelimit is not a pair of positive numbers")


def _acknowledge(transport: Any, message: Any) -> None:
    """Free the message's place in the prefetch of its channel."""
    for channel in transport.channels:
        with suppress(*BROKEN):
            tag = message["properties"]["delivery_tag"]
            if channel.qos.get(tag):
                channel.basic_ack(tag)
