"""Gauges of the whole system, read from the database when Prometheus asks a beat for its metrics.

Each beat exports the same figures: a query or an alert rule takes their maximum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from workers.connections.postgres import connect_args
from workers.db import Driver
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

#: Several scrapes within this time get the same figures (seconds).
MAX_AGE = 5.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """Metrics (name, meaning), and the statement that returns their labels, then a value of each."""

    metrics: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    statement: str


GAUGES = (
    Gauge(
        (("watchkeeper_paused", "1 while everything is paused (pause_all)"),),
        (),
        "select paused::int from pause_switch",
    ),
    Gauge(
        (
            (
                "watchkeeper_schedules_paused",
                "Enabled schedules that are paused, by a person or by themselves after failures",
            ),
        ),
        ("by",),
        """
        select who, count(s.name) from (values ('person'), ('failures')) as reason(who)
          left join (schedule s left join schedule_state st on st.schedule = s.name)
            on s.enabled and case who when 'person' then s.paused_until > clock_timestamp()
                                      else st.tripped_at is not null end
         group by who
        """,
    ),
    Gauge(
        (
            (
                "watchkeeper_incidents",
                "What is broken at the moment, by kind: the open rows of table incident",
            ),
        ),
        ("kind",),
        """
        select known.kind, count(i.id)
          from unnest(array['failing', 'tripped', 'late', 'many late', 'set aside', 'paused',
                            'beat silent', 'worker silent', 'queue unserved', 'notices held',
                            'notices dead', 'quota low', 'blocked', 'rule wrong', 'partitions']
               ) as known(kind)
          left join incident i on i.kind = known.kind and i.closed_at is null
         group by known.kind
        """,
    ),
    Gauge(
        (("watchkeeper_beats", "Beats with a heartbeat in the last 30 seconds"),),
        (),
        "select count(*) from health where role = 'beat' and state = 'ok'",
    ),
    Gauge(
        (
            (
                "watchkeeper_workers",
                "Workers with a heartbeat in the last 30 seconds, by each queue that they serve",
            ),
        ),
        ("queue",),
        """
        select k.queue, count(distinct h.name)
          from (select distinct queue from task_kind where retired_at is null) k
          left join health h on h.role = 'worker' and h.state = 'ok' and h.detail -> 'queues' ? k.queue
         group by k.queue
        """,
    ),
    Gauge(
        (
            ("watchkeeper_ready_batches", "Batches that a worker could take now, by queue"),
            ("watchkeeper_running_batches", "Batches that workers work on, by queue"),
            (
                "watchkeeper_oldest_ready_age_seconds",
                "Age of the oldest ready batch, by queue, in seconds; 0 without one",
            ),
        ),
        ("queue",),
        """
        select k.queue, coalesce(q.ready, 0), coalesce(q.running, 0),
               coalesce(extract(epoch from clock_timestamp() - q.oldest), 0)
          from (select distinct queue from task_kind where retired_at is null) k
          left join queue_status q on q.queue = k.queue
        """,
    ),
    Gauge(
        (
            (
                "watchkeeper_outbox_oldest_age_seconds",
                "Age of the oldest work that beat has not announced yet, in seconds; 0 without any",
            ),
        ),
        (),
        """
        select coalesce(extract(epoch from clock_timestamp() - min(send_at)), 0) from batch
         where state = 'waiting' and send_at <= clock_timestamp()
        """,
    ),
    Gauge(
        (("watchkeeper_permits_left", "Calls that a window of an upstream's quota has left"),),
        ("upstream", "window"),
        "select upstream, per, greatest(allowed - used, 0) from quota_status where allowed is not null",
    ),
    Gauge(
        (("watchkeeper_upstream_blocked", "1 while an upstream is blocked"),),
        ("upstream",),
        "select upstream, coalesce((blocked_until > clock_timestamp())::int, 0) from upstream_state",
    ),
    Gauge(
        (
            (
                "watchkeeper_notices_held",
                "Notices waiting for over 5 minutes, or because of their channel's limit an hour",
            ),
        ),
        ("channel",),
        """
        select c.name, count(n.id) from channel c
         cross join lateral channel_room(c.name) room
          left join notice n on n.channel = c.name and n.state in ('waiting', 'sending')
           and (room.free_at > clock_timestamp()
                or n.created_at < clock_timestamp() - interval '5 minutes')
         where c.enabled group by c.name
        """,
    ),
)
#: Beside those of the database.
UP = ("watchkeeper_database_up", "1 while this beat can read the database")
TICK = (
    "watchkeeper_beat_last_tick_timestamp_seconds",
    "When this beat last finished a tick, in seconds since 1970; 0 before the first",
)


class Gauges:
    """A collector of prometheus-client; the server calls it in threads of its own."""

    def __init__(self) -> None:
        self.ticked_at = 0.0
        self._lock = threading.Lock()
        self._connection: Driver | None = None
        self._metrics: list[Metric] = []
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._read_at > MAX_AGE:
                self._metrics = self._read()
                self._read_at = time.monotonic()
            return [GaugeMetricFamily(*TICK, self.ticked_at), *self._metrics]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _read(self) -> list[Metric]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    settings().libpq_dsn, autocommit=True, **connect_args("beat-metrics")
                )
            found = [metric for one in GAUGES for metric in samples(self._connection, one)]
            return [GaugeMetricFamily(*UP, 1), *found]
        except psycopg.Error as error:
            log.warning("metrics.database_unreadable", error=str(error).strip()[:300])
            if self._connection is not None:
                self._connection.close()
            return [GaugeMetricFamily(*UP, 0)]


def samples(connection: Driver, gauge: Gauge) -> list[Metric]:
    families = [GaugeMetricFamily(*metric, labels=gauge.labels) for metric in gauge.metrics]
    for row in connection.execute(gauge.statement):
        labels, values = row[: len(gauge.labels)], row[len(gauge.labels) :]
        for family, value in zip(families, values, strict=True):
            family.add_metric(labels, float(value))
    return list(families)
