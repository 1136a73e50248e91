"""Prometheus metrics of a process and its pool, and their endpoint.

Pool processes count in their own files (prometheus-client's multiprocess mode), which the main process
adds up when they are read.  Labels are upstream names and outcomes, never addresses or options.
"""

import atexit
import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    start_http_server,
    values,
)
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from workers.settings import settings

log = structlog.stdlib.get_logger("metrics")

# Each has labels, so that its values are created at the first count, after `serve`.
CALLS = Counter(
    "watchkeeper_upstream_calls", "HTTP calls by upstream and outcome", ["upstream", "outcome"]
)
SECONDS = Histogram(
    "watchkeeper_upstream_call_seconds",
    "From sending a call to its complete response, in seconds",
    ["upstream"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PERMITS = Counter(
    "watchkeeper_permits",
    "Answers to calls that asked for a permit: granted; waited, a pause within the call;"
    " refused, the batch was handed back",
    ["upstream", "result"],
)
BLOCKS = Counter("watchkeeper_upstream_blocks", "Times an upstream was blocked", ["upstream"])
MESSAGES = Counter(
    "watchkeeper_beat_messages",
    "Messages that beat sent: of runs just claimed, and of batches that were ready or missing",
    ["occasion"],
)
RUNS = Counter(
    "watchkeeper_runs",
    "Runs that ended, by kind of task and state (succeeded, partial, failed, stopped, expired)"
    " and due times without a run (skipped, missed)",
    ["kind", "end"],
)
RUN_SECONDS = Histogram(
    "watchkeeper_run_duration_seconds",
    "From the first claim of a run by a worker to its end, in seconds",
    ["kind"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400),
)
LATENESS = Histogram(
    "watchkeeper_schedule_lateness_seconds",
    "From a due time (and its jitter) to its claim by beat, in seconds;"
    " several due times claimed as one are left out",
    ["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300),
)
MISSED = Counter(
    "watchkeeper_schedule_missed",
    "Due times that no run covers, because they were too old when beat came to them",
    ["kind"],
)

FOLDER = "watchkeeper-metrics-"
#: Interval of merging the files of ended processes while no scrape reads the metrics (seconds).
MERGE_SECONDS = 60.0
#: Interval of retries while the port is taken (seconds).
RETRY_SECONDS = 10.0

#: What else this process exports: beat adds its gauges.
collectors: list[Collector] = []
_server: WSGIServer | None = None
_merging = threading.Lock()


class Pool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterable[Metric]:
        with _merging:
            merge_ended(self.folder)
            counted: Iterable[Metric] = MultiProcessCollector(None, str(self.folder)).collect()
        return [*counted, *(metric for one in collectors for metric in one.collect())]


def serve() -> None:
    """Start the endpoint of this process and its pool, if WATCHKEEPER_METRICS_PORT is set."""
    port = settings().metrics_port
    if port is None:
        return
    folder = _make_folder()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    # The library decides this at its import, which may have happened before.
    values.ValueClass = values.MultiProcessValue()
    registry = CollectorRegistry()
    registry.register(Pool(folder))
    ProcessCollector(registry=registry)
    # Before the pool starts, so that its processes know which socket to close.
    listening = _listen(registry, port, log_error=True)
    threading.Thread(
        target=_run, args=(registry, port, folder, listening), name="metrics", daemon=True
    ).start()


def leave_server() -> None:
    """In a pool process: close its copy of the socket, which would keep the port after its parent."""
    if _server is not None:
        _server.socket.close()


def merge_ended(folder: Path) -> None:
    """Merge the files of ended processes into one file per type, so that counters never decrease."""
    ended: dict[str, list[Path]] = defaultdict(list)
    for file in folder.glob("*_[1-9]*.db"):
        kind, _, pid = file.stem.rpartition("_")
        if not _is_alive(int(pid)):
            ended[kind].append(file)
    for kind, files in ended.items():
        total, merged = folder / f"{kind}_0.db", folder / f"{kind}.merged"
        merged.unlink(missing_ok=True)
        readable = [str(file) for file in (total, *files) if file.exists() and file.stat().st_size]
        book = MmapedDict(str(merged))
        for metric in MultiProcessCollector.merge(readable, accumulate=False):
            for sample in metric.samples:
                names, texts = list(sample.labels), list(sample.labels.values())
                key = mmap_key(metric.name, sample.name, names, texts, metric.documentation)
                book.write_value(key, sample.value, 0.0)
        book.close()
        merged.replace(total)
        for file in files:
            file.unlink()


def _listen(registry: CollectorRegistry, port: int, *, log_error: bool) -> bool:
    """Start listening; False when the port is taken, which only costs the metrics."""
    global _server
    try:
        _server, _ = start_http_server(port, settings().metrics_address, registry)
    except OSError as error:
        if log_error:
            log.error("metrics.unavailable", port=port, error=str(error))
        return False
    log.info("metrics.listening", address=settings().metrics_address, port=port)
    return True


def _run(registry: CollectorRegistry, port: int, folder: Path, listening: bool) -> None:
    """Retry a taken port; merge files regularly, which would accumulate while no scrape reads them."""
    while not listening:
        time.sleep(RETRY_SECONDS)
        listening = _listen(registry, port, log_error=False)
    while True:
        time.sleep(MERGE_SECONDS)
        with _merging:
            merge_ended(folder)


def _make_folder() -> Path:
    """A new folder for this process; those of killed processes are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*-*"):
        pid = left.name.removeprefix(FOLDER).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    owner = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{owner}-"))

    @atexit.register
    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    return folder


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
