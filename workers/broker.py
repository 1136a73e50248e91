"""Redis as Celery's broker: its settings, and the mending of one defect of kombu 5.7."""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

#: Every queue there is; a worker group names the ones it serves with ``-Q``.
QUEUES = ("discovery", "prices", "listings", "notices", "upkeep")
EXCHANGE = Exchange("watchkeeper", type="direct")

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Messages are acknowledged at once, so nothing waits for this long; kombu asks for a value.
    "visibility_timeout": 3600,
    "health_check_interval": 10,
    # A dead peer must not hold a publisher for ever; longer than kombu's blocking pop of 1 s.
    "socket_timeout": 15,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "max_connections": 64,
    "queue_order_strategy": "priority",
    # A list for each priority: with kombu's four, 9, 8 and 7 would be one.
    "priority_steps": list(range(10)),
}


def queues() -> list[Queue]:
    """The queues as Celery declares them."""
    return [Queue(name, EXCHANGE, routing_key=name) for name in QUEUES]


def route(name: str, *_: Any, **__: Any) -> dict[str, str]:
    """Queue of a task named on a command line: its folder under ``tasks``, else upkeep."""
    folder = name.split(".")[1] if name.startswith("tasks.") and name.count(".") >= 2 else ""
    queue = "notices" if folder == "watches" else folder
    return {"queue": queue if queue in QUEUES else "upkeep"}


def mend_kombu() -> None:
    """Let a worker survive a Redis restart with messages in flight.

    In kombu 5.7.0 ``Channel._connparams`` reads ``connection.client.hostname`` after the client has
    been collected; the AttributeError is no connection error, so Celery ends the worker or leaves
    it hanging.  Said as a connection error, Celery reconnects.
    """
    channel: Any = kombu_redis.Channel
    original = channel._connparams  # noqa: SLF001

    def _connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the channel to Redis is closed")
        return original(self, asynchronous=asynchronous)

    if not getattr(original, "mended", False):
        _connparams.mended = True  # type: ignore[attr-defined]
        channel._connparams = _connparams  # noqa: SLF001
