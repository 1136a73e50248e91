"""Counters of pool children are read at one endpoint of their worker, also after they have ended."""

from __future__ import annotations

import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.ports import free_port
from tests.support.processes import QUICK
from tests.support.runs import KINDS

pytestmark = pytest.mark.outside(33)


def samples(port: int) -> dict[str, float]:
    """Every sample of the endpoint, its labels summed; empty while nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def files(temporary: Path) -> list[Path]:
    return list(temporary.glob("watchkeeper-metrics-*/*.db"))


def processes(temporary: Path) -> set[str]:
    """Processes that have files of their own; 0 are those that ended."""
    return {re.sub(r"\D", "", file.stem) for file in files(temporary)}


@pytest.fixture
def counting_worker(
    celery_process: Any, imitation: Any, kinds: Any, connection: Any, tmp_path: Path
) -> Any:
    """``counting_worker("-c", "2")``: a worker with an endpoint, whose calls go to an imitation."""
    server = imitation("generic")
    connection.execute("insert into upstream (name, base_url) values ('generic', %s)", (server.url,))
    (tmp_path / "tmp").mkdir()

    def start(*options: str) -> tuple[Any, int]:
        port = free_port()
        env = {"WATCHKEEPER_METRICS_PORT": str(port), "TMPDIR": str(tmp_path / "tmp")}
        # With a slot a process, so that both have calls to make.
        env["WATCHKEEPER_SLOTS"] = "1"
        celery_process("beat", **QUICK)
        return celery_process("worker", "-Q", "upkeep", *options, app=KINDS, **env, **QUICK), port

    return start


def test_the_counters_of_two_children_add_up(
    counting_worker: Any, new_run: Any, eventually: Any, tmp_path: Path
) -> None:
    _, port = counting_worker("-c", "2")
    # Four batches at a time, so that both children have calls to make.
    new_run("tests.calling", items=40)

    eventually(lambda: samples(port).get("watchkeeper_upstream_calls_total") == 40, within=90)
    told = samples(port)
    assert told["watchkeeper_upstream_call_seconds_count"] == 40
    assert told["process_resident_memory_bytes"] > 0
    assert len(processes(tmp_path / "tmp")) == 2


def test_what_ended_children_counted_stays_and_their_files_go(
    counting_worker: Any, new_run: Any, eventually: Any, tmp_path: Path
) -> None:
    _, port = counting_worker("-c", "2", "--max-tasks-per-child", "1")
    new_run("tests.calling", items=40)

    eventually(lambda: samples(port).get("watchkeeper_upstream_calls_total") == 40, within=90)
    # Eight batches had a child each; two types of file for the living and for the ended.
    assert samples(port)["watchkeeper_upstream_call_seconds_count"] == 40
    eventually(lambda: samples(port) and len(files(tmp_path / "tmp")) <= 6, within=20)
    # A process ends when its session does.
    eventually(lambda: samples(port) and "0" in processes(tmp_path / "tmp"), within=30)


def test_a_killed_child_takes_no_count_with_it_and_an_ended_worker_leaves_nothing(
    counting_worker: Any, new_run: Any, row: Any, eventually: Any, tmp_path: Path
) -> None:
    worker, port = counting_worker("-c", "1")
    run_id = new_run("tests.calling", items=5)
    # A call is counted before its outcome is stored: killed in between, its item is called again.
    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
    assert samples(port)["watchkeeper_upstream_calls_total"] == 5
    (child,) = processes(tmp_path / "tmp")

    os.kill(int(child), signal.SIGKILL)
    eventually(lambda: samples(port) and processes(tmp_path / "tmp") == {"0"}, within=30)
    new_run("tests.calling", items=5)
    eventually(lambda: samples(port).get("watchkeeper_upstream_calls_total") == 10, within=60)

    worker.send(signal.SIGTERM)
    eventually(lambda: not worker.running, within=60)
    assert not files(tmp_path / "tmp")


def test_a_worker_killed_with_its_port_leaves_it_to_the_next(
    counting_worker: Any, new_run: Any, eventually: Any
) -> None:
    worker, port = counting_worker("-c", "2")
    eventually(lambda: samples(port) and len(_children(worker.pid)) == 2, within=60)
    children = _children(worker.pid)

    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: not samples(port), within=10)
        eventually(lambda: _can_listen(port), within=10)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_beat_counts_what_it_sends(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, tmp_path: Path
) -> None:
    port = free_port()
    celery_process("beat", WATCHKEEPER_METRICS_PORT=str(port), TMPDIR=str(tmp_path), **QUICK)
    new_run("tests.counting", items=1)

    eventually(lambda: samples(port).get("watchkeeper_beat_messages_total", 0) >= 1, within=60)


def test_a_taken_port_is_told_and_costs_nothing_else(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, connection: Any, tmp_path: Path
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        celery_process("beat", **QUICK)
        worker = celery_process(
            "worker", "-Q", "upkeep", "-c", "1", app=KINDS, WATCHKEEPER_METRICS_PORT=str(port), **QUICK
        )
        run_id = new_run("tests.counting", items=1)
        eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
        assert "metrics.unavailable" in worker.log.read_text()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _can_listen(port: int) -> bool:
    from sandbox.ports import is_taken

    return not is_taken(port)
