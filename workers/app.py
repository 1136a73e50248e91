"""The Celery application and its configuration."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from workers import db, logs, metrics, shutdown
from workers.execution.task import Task
from workers.pool import broker, warm_shutdown
from workers.pool.autoscaler import ConsumeLimit
from workers.pool.progress import Progress
from workers.pool.watchdog import Watchdog
from workers.settings import settings
from workers.upstreams import client

broker.patch_kombu()


class Application(Celery):
    """Celery whose tasks are its own; by default each is registered with every app."""

    if not TYPE_CHECKING:

        def task(self, *args: Any, **options: Any) -> Any:
            """Register a kind; options are those of `workers.execution.task.Task`."""
            return super().task(*args, **{"shared": False, **options})

        @cached_property
        def Beat(self) -> Any:  # noqa: N802 - Celery's name
            """What ``celery beat`` starts."""
            return self.subclass_with_self("beat.service:Beat")


app = Application("watchkeeper", task_cls=Task, include=["tasks.autoload"])
app.conf.update(
    broker_url=settings().broker_url.get_secret_value(),
    broker_transport_options=broker.TRANSPORT_OPTIONS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    result_backend=None,
    task_ignore_result=True,
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
    worker_hijack_root_logger=False,
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


@signals.celeryd_init.connect
@signals.setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure_service()


@signals.worker_process_init.connect
def _forked(**_: Any) -> None:
    """A pool process must not share connections with its parent."""
    db.reset(close=False)
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
