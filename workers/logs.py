"""Structured logs for people or machines; lines of a run have its ``run_id`` and ``schedule``."""

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from types import TracebackType
from typing import Any

import click
import structlog
from celery import signals
from celery.utils.log import LoggingProxy

from workers.redaction import redact
from workers.settings import settings
from workers.text.cleaning import printable
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


def configure(*, level: int | str | None = None, file: Any = None, hijack: bool = True) -> None:
    """Send the lines of structlog and of libraries through one handler: to ``file`` or standard error.

    Without ``hijack`` handlers that the root logger has are left alone, and get finished texts.
    """
    channel_secrets.remember_all()
    root = logging.getLogger()
    keep = bool(root.handlers) and not hijack
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            *(_rendering(file) if keep else (structlog.stdlib.ProcessorFormatter.wrap_for_formatter,)),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if keep:
        return
    handler = _handler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(allow={"data"})],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(file)],
        )
    )
    root.handlers[:] = [handler]
    root.setLevel(level or settings().log_level)
    for name in ("celery", "celery.task", "celery.redirected"):
        logging.getLogger(name).handlers.clear()


def _handler(file: Any) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(_STDERR if isinstance(sys.stderr, LoggingProxy) else sys.stderr)
    if hasattr(file, "write"):
        return logging.StreamHandler(file)
    return WatchedFileHandler(file, encoding="utf-8")


def _rendering(file: Any) -> tuple[structlog.typing.Processor, ...]:
    renderer: tuple[structlog.typing.Processor, ...]
    if settings().log_format == "json":
        renderer = (structlog.processors.JSONRenderer(),)
    else:
        colors = file is None and sys.stderr.isatty()
        renderer = (_only_printable, structlog.dev.ConsoleRenderer(colors=colors))
    return (structlog.processors.format_exc_info, _redact_values, *renderer)


def join_logging() -> None:
    """Send structlog's lines through an application's own logging; a second call does nothing."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _redact_values,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def configure_celery(*, loglevel: Any, logfile: Any, hijack: bool) -> None:
    """Obey ``--loglevel`` and ``--logfile`` of a worker or a beat; its user's own set-up wins.

    A level that no option names is that of the setting.  Celery's signals tell who asked to know.
    """
    if len(signals.setup_logging.receivers or ()) > 1:
        return
    level = loglevel if _is_given("loglevel") else None
    configure_service(level=level, file=logfile, hijack=hijack)
    root = logging.getLogger()
    what = {"loglevel": root.level, "logfile": logfile, "format": None, "colorize": False}
    signals.after_setup_logger.send(sender=None, logger=root, **what)
    tasks = logging.getLogger("celery.task")
    signals.after_setup_task_logger.send(sender=None, logger=tasks, **what)


def _is_given(option: str) -> bool:
    """Whether the present command's line (or its environment) names the option."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(option) if context else None
    return source not in (None, click.core.ParameterSource.DEFAULT)


def configure_service(*, level: int | str | None = None, file: Any = None, hijack: bool = True) -> None:
    """`configure` for a service: with JSON, also prints, warnings and crashes become log lines."""
    from celery.apps import worker

    global _STDERR
    configure(level=level, file=file, hijack=hijack)
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
