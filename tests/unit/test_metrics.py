"""What is left of processes that have ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from workers import metrics

WRITER = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from workers import metrics
metrics.values.ValueClass = metrics.values.MultiProcessValue()
metrics.CALLS.labels("one", "ok").inc(3)
metrics.SECONDS.labels("one").observe(0.2)
metrics.SECONDS.labels("one").observe(7)
"""


def write(folder: Path) -> None:
    """A process that counts, and ends."""
    subprocess.run([sys.executable, "-c", WRITER, str(folder)], check=True)


def told(folder: Path) -> dict[str, float]:
    return {
        f"{sample.name}{sample.labels.get('le', '')}": sample.value
        for metric in metrics.Pool(folder).collect()
        for sample in metric.samples
    }


@pytest.mark.outside(33)
def test_ended_processes_become_one_file_a_type_and_every_number_stays(tmp_path: Path) -> None:
    for number in range(1, 4):
        write(tmp_path)
        seen = told(tmp_path)
        assert seen["watchkeeper_upstream_calls_total"] == 3 * number
        assert seen["watchkeeper_upstream_call_seconds_count"] == 2 * number
        assert seen["watchkeeper_upstream_call_seconds_sum"] == pytest.approx(7.2 * number)
        assert seen["watchkeeper_upstream_call_seconds_bucket0.1"] == 0
        assert seen["watchkeeper_upstream_call_seconds_bucket0.25"] == number
        assert seen["watchkeeper_upstream_call_seconds_bucket+Inf"] == 2 * number
        names = sorted(file.name for file in tmp_path.iterdir())
        assert names == ["counter_0.db", "histogram_0.db"]


def test_a_file_of_a_process_that_was_killed_before_it_wrote_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "counter_999999999.db").touch()

    assert told(tmp_path)["watchkeeper_upstream_calls_total"] == 3
    assert not (tmp_path / "counter_999999999.db").exists()


def test_every_metric_has_labels_so_that_children_of_the_pool_count_where_it_says() -> None:
    found = [
        value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)
    ]

    assert len(found) >= 5
    assert all(metric._labelnames for metric in found)
