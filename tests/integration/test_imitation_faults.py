"""What goes wrong in an imitation when told to, and what its log keeps of it."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.upstreams.faults import CHANCES, PEACE, Faults

Start = Callable[..., Any]


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        with answer:
            return int(answer.code)


def test_faults_come_on_order_and_end(imitation: Start, eventually: Any) -> None:
    server = imitation("head_fi", "--fault", "down=60")
    url = f"{server.url}/classifieds/"

    assert status(url) == 500
    server.control(down=0, challenge=60)
    assert status(url) == 403
    server.control(challenge=0, retry_after=60)
    assert status(url) == 429
    server.control(retry_after=0.2)
    assert eventually(lambda: status(url) == 200, within=5)
    assert status(f"{server.url}/_control") == 404


def test_a_slow_answer_is_counted_when_it_arrives(imitation: Start) -> None:
    server = imitation("generic", "--concurrency", "1")
    server.control(slow=1.0)

    began = time.monotonic()
    with ThreadPoolExecutor(3) as callers:
        statuses = sorted(callers.map(status, [f"{server.url}/x"] * 3))

    assert time.monotonic() - began >= 1.0
    assert statuses == [200, 429, 429]
    judged = server.get("/_violations")
    assert judged["concurrency"] == {"limit": 1, "most": 3, "violations": 2}


def test_limits_are_changed_by_order_and_the_whole_log_is_judged(imitation: Start) -> None:
    server = imitation("generic")
    for _ in range(4):
        status(f"{server.url}/x")

    server.control(limits=[[3, 60]])

    assert server.get("/_violations") == {
        "calls": 4,
        "windows": [{"calls": 3, "seconds": 60.0, "most": 4, "violations": 1}],
        "concurrency": {"limit": None, "most": 1, "violations": 0},
        "violations": 1,
    }


def test_only_accepted_calls_count_when_asked_for(imitation: Start) -> None:
    server = imitation("generic", "--limit", "2/60", "--accepted-only")

    statuses = [status(f"{server.url}/x") for _ in range(4)]

    assert statuses == [200, 200, 429, 429]
    assert server.get("/_violations")["violations"] == 0


def test_a_killed_imitation_loses_no_line_of_its_log(imitation: Start, tmp_path: Path) -> None:
    file = tmp_path / "arrivals.jsonl"
    server = imitation("generic", "--limit", "2/60", "--log", str(file))
    statuses = [status(f"{server.url}/{number}") for number in range(3)]

    server.process.send(signal.SIGKILL)

    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["status"] for row in rows] == statuses == [200, 200, 429]
    assert [row["path"] for row in rows] == ["/0", "/1", "/2"]
    assert [row["verdict"] for row in rows] == ["allowed", "allowed", "over 2 in 60 s"]


def test_the_log_is_one_array_or_lines(imitation: Start) -> None:
    server = imitation("generic")
    status(f"{server.url}/x")

    with urllib.request.urlopen(f"{server.url}/_log?lines=1", timeout=10) as answer:
        lines = answer.read().splitlines()

    assert [json.loads(line) for line in lines] == server.get("/_log")


def test_a_bad_order_is_refused_and_named(imitation: Start) -> None:
    server = imitation("generic")
    body = json.dumps({"limits": [["many", 1]]}).encode()

    request = urllib.request.Request(f"{server.url}/_control", body)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)

    with refused.value as answer:
        assert answer.code == 400
        assert "many" in json.loads(answer.read())["error"]
    assert status(f"{server.url}/x") == 200


@given(st.sampled_from(["none", "mild", "wild"]), st.booleans())
def test_nothing_goes_wrong_by_itself_at_first(profile: str, pages: bool) -> None:
    faults = Faults(profile)

    assert {faults.accident(pages=pages) for _ in range(200)} == {None}


def test_accidents_are_as_often_as_said() -> None:
    faults = Faults("mild", started=time.monotonic() - PEACE - 1)

    met = [faults.accident(pages=True) for _ in range(20_000)]

    for name, share in CHANCES.items():
        assert 0.5 * share < met.count(name) / len(met) < 2 * share
