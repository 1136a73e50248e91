"""Celery's beat without the code of the tasks, which it sends by name, and with an end to its stop."""

import os
import signal
import threading
from typing import Any

import structlog
from celery.apps import beat

log = structlog.stdlib.get_logger("beat")

#: Time from SIGTERM to the end (seconds): less than half of the grace that compose and systemd give.
STOP_SECONDS = 8.0


class Beat(beat.Beat):
    """Imports no task module, so that a broken one does not stop the others."""

    def init_loader(self) -> None:
        app: Any = self.app
        app.finalize()

    def install_sync_handler(self, service: Any) -> None:
        """Stop at SIGTERM and SIGINT, also when a server does not answer."""
        super().install_sync_handler(service)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _limited(signal.getsignal(number)))


def _limited(handler: Any) -> Any:
    def stop(signum: int, frame: Any) -> None:
        # Whatever beat waits for is in Postgres, so nothing is lost.
        limit = threading.Timer(STOP_SECONDS, _end)
        limit.daemon = True
        limit.start()
        handler(signum, frame)

    return stop


def _end() -> None:
    log.warning("beat.ended_early", reason="a server did not answer", seconds=STOP_SECONDS)
    os._exit(0)
