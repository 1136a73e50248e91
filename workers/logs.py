"""Structured logs for people or machines; lines of a run have its ``run_id`` and ``schedule``."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import structlog
from celery.utils.log import LoggingProxy

from workers.redaction import redact
from workers.settings import settings
from workers.text import printable
from workers.upstreams import channel_secrets

#: Loggers whose INFO lines repeat our own events.
QUIET = ("celery.worker.strategy", "celery.app.trace", "httpx", "httpx2", "httpcore", "httpcore2")
#: Parts of an event that may have several lines.
_MULTILINE = ("event", "exception", "stack")

#: The real standard error, once `configure_service` has put a logger in its place.
_STDERR = sys.stderr


def _redact_values(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep secrets out of all lines, also those of libraries."""
    for name, value in event.items():
        event[name] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _redacted(inner) for name, inner in value.items()}
    return [_redacted(inner) for inner in value] if isinstance(value, list | tuple) else value


def _only_printable(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep control characters and line breaks of servers off the terminal."""
    for name, value in event.items():
        if not isinstance(value, bool | int | float | None):
            text = value if isinstance(value, str) else str(value)
            event[name] = printable(text, lines=name in _MULTILINE)
    return event


#: Processors of every line, also of those of libraries.
_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure() -> None:
    """Send the lines of structlog and of libraries through one handler to standard error."""
    channel_secrets.remember_all()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_STDERR if isinstance(sys.stderr, LoggingProxy) else sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(allow={"data"})],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_values,
                *_renderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings().log_level)
    for name in ("celery", "celery.task", "celery.redirected"):
        logging.getLogger(name).handlers.clear()
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderer() -> tuple[structlog.typing.Processor, ...]:
    if settings().log_format == "json":
        return (structlog.processors.JSONRenderer(),)
    return _only_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def configure_service() -> None:
    """`configure` for a service: with JSON, also prints, warnings and crashes become log lines."""
    from celery.apps import worker

    global _STDERR
    configure()
    if settings().log_format != "json" or isinstance(sys.stderr, LoggingProxy):
        return
    logging.captureWarnings(capture=True)
    _STDERR, sys.excepthook, threading.excepthook = sys.stderr, _log_crash, _log_thread_crash
    printed = logging.getLogger("printed")
    sys.stdout, sys.stderr = LoggingProxy(printed, logging.INFO), LoggingProxy(printed, logging.WARNING)
    worker.safe_say = _say_in_signal_handler  # type: ignore[attr-defined]


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.stdlib.get_logger("process").critical(
            "process.crashed", exc_info=(kind, error, trace)
        )


def _log_thread_crash(thread: threading.ExceptHookArgs) -> None:
    if thread.exc_value is not None:
        _log_crash(thread.exc_type, thread.exc_value, thread.exc_traceback)


def _say_in_signal_handler(message: str, _stream: Any = None) -> None:
    """Celery's ``safe_say`` by one write, without a lock that an interrupted logger may hold."""
    line = {
        "event": message,
        "level": "info",
        "logger": "celery.worker",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    os.write(2, (json.dumps(line) + "\n").encode())
