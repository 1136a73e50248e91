"""A plain task in a process that finds all connections of its host taken."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from workers import db
from workers.connections import places
from workers.ledger.calls import Outcome
from workers.plain import ends, kept_connection, running

#: Takes so many of its host's places, and keeps them until its input ends.
OTHER = """
import sys
from workers.connections import places
print("places", len(places._take(int(sys.argv[1]), 1)), flush=True)
sys.stdin.read()
"""


class Host:
    """It has five places, one of which no process of a pool takes; another process has some of them."""

    def __init__(self) -> None:
        self._other: subprocess.Popen[str] | None = None

    def take(self, number: int) -> None:
        self._other = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._other.stdout is not None
        said = next(line for line in self._other.stdout if line.startswith("places"))
        assert said.split()[1] == str(number)

    def free(self) -> None:
        if self._other is not None:
            self._other.communicate()


@pytest.fixture
def host(drive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """This process is one of a pool, just forked, on a host of its own."""
    drive.work()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("WATCHKEEPER_HOST_CONNECTIONS", "5")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(places, "_own", places._Process())
    places._opened.cache_clear()
    places.be_of_pool()
    kept_connection.reset()
    host = Host()
    yield host
    host.free()
    kept_connection.reset()
    db.reset()
    places._opened.cache_clear()


@pytest.fixture
def deliver(drive: Any, plain: Any) -> Callable[..., Any]:
    """Do what this process does with the message in the queue."""

    def deliver(**more: Any) -> Any:
        (message,) = [one for one in drive.queued() if one["headers"]["task"] == "plain.add"]
        drive.redis.flushall()
        request = {**message["headers"], **more}
        tracer = running.build_tracer("plain.add", plain.add, app=plain.app)
        return tracer(request["id"], [40], {}, request)

    return deliver


def due(drive: Any) -> None:
    drive.schedule("mine", task="plain.add", options={"args": [40]})
    drive.work(after=timedelta(hours=1))


def test_a_plain_task_waits_until_its_host_has_a_connection_left(
    plain: Any, drive: Any, host: Host, deliver: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    due(drive)
    host.take(5)
    looks, look = 0, places._lock_free

    def free_at_last() -> list[int]:
        nonlocal looks
        looks += 1
        if looks == places.LOOKS + 3:
            host.free()
        return look()

    monkeypatch.setattr(places, "_lock_free", free_at_last)
    deliver()

    assert [(run["state"], run["result"]["value"]) for run in drive.runs("mine")] == [("succeeded", 42)]
    assert looks == places.LOOKS + 3


def test_a_plain_task_that_finds_no_connection_in_time_says_what_to_do_and_is_sent_again(
    plain: Any, drive: Any, host: Host, deliver: Callable[..., Any]
) -> None:
    due(drive)
    host.take(5)
    with capture_logs() as lines:
        # Celery would end the process after its time limit: half of it may pass.
        assert deliver(timelimit=[0.4, None]) is running.NOT_RUN

    (line,) = [line for line in lines if line["event"] == "batch.unclaimed"]
    assert "raise WATCHKEEPER_HOST_CONNECTIONS" in line["error"]
    assert drive.states("mine") == ["due"]
    host.free()
    drive.work(after=timedelta(minutes=5))
    deliver()
    assert [(run["state"], run["result"]["value"]) for run in drive.runs("mine")] == [("succeeded", 42)]


def test_a_process_with_one_connection_tells_a_result_that_cannot_be_stored_from_an_outage(
    plain: Any, drive: Any, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "MAX_WRITING", 0.0)
    due(drive)
    host.take(3)
    db.reset()
    (run,) = drive.runs("mine")
    call = running._claim(run["id"], "here", {})
    assert call is not None
    ends.write_all([ends.End(call, Outcome("succeeded", {"value": "\ud800"}), "here")])

    assert [one["result"] for one in drive.runs("mine")] == [
        {"summary": "a result that cannot be stored"}
    ]
