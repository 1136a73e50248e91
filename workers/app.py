"""What `celery -A workers.app` runs: the application, a worker's steps, the handlers of signals.

Celery imports it for every command: what workers and beats need is imported when they start.
"""

from typing import Any

import click
from celery import signals

from workers.execution.application import app

__all__ = ["app"]

app.steps["consumer"].update(
    {
        "workers.pool.autoscaler:ConsumeLimit",
        "workers.pool.batch_events:BatchEvents",
        "workers.pool.progress:Progress",
        "workers.pool.slot_watch:SlotWatch",
        "workers.pool.watchdog:Watchdog",
    }
)
app.steps["worker"].update(
    {
        "workers.pool.revoke:Revoke",
        "workers.pool.slots_option:SlotsOption",
        "workers.pool.warm_shutdown:WarmShutdown",
    }
)
app.user_options["worker"].add(
    click.Option(
        ("--slots",),
        type=click.IntRange(1, 256),
        help="Batches that one process works at once (default: WATCHKEEPER_SLOTS).",
    )
)


@signals.setup_logging.connect
def _configure_logs(loglevel: Any = None, logfile: Any = None, **_: Any) -> None:
    from workers import logs

    hijack = bool(app.conf.worker_hijack_root_logger)
    logs.configure_celery(loglevel=loglevel, logfile=logfile, hijack=hijack)


@signals.celeryd_init.connect
def _configure_early(options: dict[str, Any], **_: Any) -> None:
    """Before Celery does: the worker's first lines are lines of its log too."""
    from workers.plain import install

    _configure_logs(options.get("loglevel"))
    install.install()


@signals.worker_process_init.connect
def _forked(**_: Any) -> None:
    from workers import metrics
    from workers.plain import install
    from workers.processes import shutdown

    install.forked()
    shutdown.idle()
    metrics.leave_server()


@signals.worker_init.connect
def _starting(**_: Any) -> None:
    from workers.pool import warm_shutdown
    from workers.processes import slots

    warm_shutdown.reset()
    slots.forget()


@signals.celeryd_after_setup.connect
@signals.beat_init.connect
def _logging_works(**_: Any) -> None:
    """Before the pool starts: its processes count where `metrics.serve` says."""
    from workers import metrics

    metrics.serve()


@signals.worker_shutting_down.connect
def _shutting_down(sender: str, **_: Any) -> None:
    from workers.pool import warm_shutdown

    # Before Celery's own steps, which wait while Redis is unreachable.
    warm_shutdown.begin(sender)
