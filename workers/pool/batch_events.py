"""Celery's events of batches: Flower and ``celery events`` see each under its own id.

A session is no task of theirs: its parent sends what its processes report, many in one message, while
somebody listens.
"""

import threading
import time
from typing import Any

import structlog
from celery import bootsteps
from kombu.utils.json import dumps

from workers.processes import reports
from workers.processes.doorbells import UNREACHABLE
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: Events are gathered for so long (seconds).
GATHER = 0.25
#: Pause between two looks whether somebody listens (seconds).
LOOK = 2.0


class BatchEvents(bootsteps.StartStopStep):
    """Bootstep of the consumer: its thread outlives lost connections."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._sender: _Sender | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        if self._sender is None:
            self._sender = _Sender(consumer)
            self._sender.start()


class _Sender(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="batch-events", daemon=True)
        self._consumer = consumer
        #: How many heard the last message; None: the broker does not say.
        self._heard: int | None = None

    def run(self) -> None:
        while True:
            try:
                with self._consumer.app.connection_for_write() as connection:
                    self._send_all(connection)
            except UNREACHABLE as error:
                reports.set_listened(listened=False)
                log.debug("events.unsent", error=brief(error))
                time.sleep(LOOK)

    def _send_all(self, connection: Any) -> None:
        dispatcher = self._consumer.app.events.Dispatcher(
            connection, hostname=self._consumer.hostname, buffer_group={"task"}, buffer_limit=500
        )
        self._count_listeners(dispatcher.producer.channel)
        looked_at = float("-inf")
        while True:
            if time.monotonic() - looked_at > LOOK:
                looked_at = time.monotonic()
                reports.set_listened(listened=self._is_listened(dispatcher))
            for event in reports.read(GATHER):
                dispatcher.send(f"task-{event.pop('type')}", **event)
            dispatcher.flush()

    def _is_listened(self, dispatcher: Any) -> bool:
        events = self._consumer.event_dispatcher
        if events is None or not events.enabled or (events.groups and "task" not in events.groups):
            return False
        dispatcher.send("worker-heartbeat", freq=LOOK)
        return self._heard is None or self._heard > 0

    def _count_listeners(self, channel: Any) -> None:
        """Keep what Redis answers to each message: how many have heard it."""
        if not hasattr(channel, "_get_publish_topic"):
            return

        def put(exchange: str, message: Any, routing_key: str, **_: Any) -> None:
            topic = channel._get_publish_topic(exchange, routing_key)  # noqa: SLF001
            with channel.conn_or_acquire() as client:
                self._heard = int(client.publish(topic, dumps(message)))

        channel._put_fanout = put  # noqa: SLF001
