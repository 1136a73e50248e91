"""Celery's configuration, read when the application needs it: reading commands do not."""

from workers.connections import sentinel
from workers.pool import broker
from workers.settings import DEFAULT_QUEUE, settings

# Here, because every process that uses the broker reads the configuration first.
broker.patch_kombu()

broker_url = settings().broker_url.get_secret_value()
broker_transport_options = {**broker.TRANSPORT_OPTIONS, **sentinel.transport_options()}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that is full, or has become a replica, refuses writes: it is waited for like one that is away.
broker_channel_error_retry = True
result_backend = None
task_queues = broker.queues()
task_default_queue = DEFAULT_QUEUE
task_default_exchange = broker.EXCHANGE.name
task_default_routing_key = DEFAULT_QUEUE
task_create_missing_queues = False
task_routes = (broker.route,)
task_serializer = "json"
accept_content = ["json"]
# Acknowledged when read: lost work is sent again from the ledger, not by Redis.
task_acks_late = False
task_time_limit = 3600
worker_prefetch_multiplier = 1
worker_disable_rate_limits = True
worker_redirect_stdouts = False
worker_autoscaler = "workers.pool.autoscaler:DemandScaler"
worker_max_tasks_per_child = 1000
worker_max_memory_per_child = 300_000
worker_cancel_long_running_tasks_on_connection_loss = False
worker_send_task_events = True
beat_scheduler = "beat.scheduler:DatabaseScheduler"
beat_enable_remote_control = True
beat_max_loop_interval = 5.0
enable_utc = True
timezone = "UTC"
