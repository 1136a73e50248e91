"""Gauges of the whole system (`gauges.toml`), read from the database when Prometheus asks a beat.

Each beat exports the same figures: a query or an alert rule takes their maximum.
"""

import threading
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


GAUGES = tuple(
    Gauge(tuple(one["metrics"].items()), tuple(one.get("labels", ())), one["statement"])
    for one in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["gauge"]
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
