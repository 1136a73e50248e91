"""The Celery application and its configuration."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from workers import db, logs, metrics, shutdown
from workers.execution.task import Task, is_kind
from workers.plain import background, unreadable
from workers.pool import broker, warm_shutdown
from workers.pool.autoscaler import ConsumeLimit
from workers.pool.progress import Progress
from workers.pool.watchdog import Watchdog
from workers.settings import settings
from workers.upstreams import client

broker.patch_kombu()
#: Connected to Celery's signals by its import.
SIGNALS = (unreadable,)


class Application(Celery):
    """Celery whose kinds are its own; any other task is as Celery makes it."""

    if not TYPE_CHECKING:

        def task(self, *args: Any, **options: Any) -> Any:
            """Register a task: a kind when it declares what only `workers.execution.task.Task` has."""

            def register(function: Any) -> Any:
                chosen = options
                if "base" not in options and is_kind(function, options):
                    chosen = {"base": Task, "shared": False, **options}
                return super(Application, self).task(**chosen)(function)

            if len(args) == 1 and callable(args[0]):
                return register(args[0])
            return super().task(*args, **options) if args else register

        @cached_property
        def Beat(self) -> Any:  # noqa: N802 - Celery's name
            """What ``celery beat`` starts."""
            return self.subclass_with_self("beat.service:Beat")


app = Application("watchkeeper", include=["tasks.autoload"])
app.conf.update(
    broker_url=settings().broker_url.get_secret_value(),
    broker_transport_options=broker.TRANSPORT_OPTIONS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    result_backend=None,
    task_queues=broker.queues(),
    task_default_queue="upkeep",
    task_default_exchange=broker.EXCHANGE.name,
    task_default_routing_key="upkeep",
    task_create_missing_queues=False,
    task_routes=(broker.route,),
    task_serializer="json",
    accept_content=["json"],
    # Acknowledged when read: lost work is sent again from the ledger, not by Redis.
    task_acks_late=False,
    task_time_limit=3600,
    worker_prefetch_multiplier=1,
    worker_disable_rate_limits=True,
    worker_redirect_stdouts=False,
    worker_autoscaler="workers.pool.autoscaler:DemandScaler",
    worker_max_tasks_per_child=1000,
    worker_max_memory_per_child=300_000,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=True,
    beat_scheduler="beat.scheduler:DatabaseScheduler",
    beat_enable_remote_control=True,
    beat_max_loop_interval=5.0,
    enable_utc=True,
    timezone="UTC",
)
app.steps["consumer"].update({ConsumeLimit, Progress, Watchdog})
app.steps["worker"].add(warm_shutdown.WarmShutdown)


@signals.setup_logging.connect
def _configure_logs(loglevel: Any = None, logfile: Any = None, **_: Any) -> None:
    hijack = bool(app.conf.worker_hijack_root_logger)
    logs.configure_celery(loglevel=loglevel, logfile=logfile, hijack=hijack)


@signals.celeryd_init.connect
def _configure_early(options: dict[str, Any], **_: Any) -> None:
    """Before Celery does: the worker's first lines are lines of its log too."""
    _configure_logs(options.get("loglevel"))


@signals.worker_process_init.connect
def _forked(**_: Any) -> None:
    """A pool process must not share connections with its parent."""
    db.reset(close=False)
    background.forget()
    client.reset(close=False)
    shutdown.idle()
    metrics.leave_server()


@signals.worker_init.connect
def _starting(**_: Any) -> None:
    warm_shutdown.reset()


@signals.celeryd_after_setup.connect
@signals.beat_init.connect
def _logging_works(**_: Any) -> None:
    """Before the pool starts: its processes count where `metrics.serve` says."""
    metrics.serve()


@signals.worker_shutting_down.connect
def _shutting_down(sender: str, **_: Any) -> None:
    # Before Celery's own steps, which wait while Redis is unreachable.
    warm_shutdown.begin(sender)
