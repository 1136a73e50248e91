"""All processes of a host together open so many connections to Postgres, and no more."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from beat.tick import reading
from tests.support import place_holders
from tests.support.runs import KINDS
from workers.connections import places

Take = Callable[..., tuple[int, BaseProcess]]


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Take]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("WATCHKEEPER_HOST_CONNECTIONS", "20")
    started: list[BaseProcess] = []

    def start(pool: int, threads: int = 16) -> tuple[int, BaseProcess]:
        number, process = place_holders.take(pool, threads)
        started.append(process)
        return number, process

    yield start
    for process in started:
        end(process)


def end(process: BaseProcess) -> None:
    """By kill -9."""
    process.kill()
    process.join()


def test_processes_of_a_pool_take_what_their_pool_has_places_for_and_leave_some(take: Take) -> None:
    # Of 20, 4 are kept for others: four processes of 4, or eight of 2.
    assert [take(4)[0] for _ in range(5)] == [4, 4, 4, 4, 0]
    assert [take(0)[0] for _ in range(2)] == [2, 2]


def test_a_service_that_finds_no_place_waits_for_one(take: Take) -> None:
    pool = [take(4) for _ in range(4)]
    services = [take(0)[0] for _ in range(3)]

    assert [number for number, _ in pool] == [4, 4, 4, 4]
    # 16 and 4 are all 20: a third would open connections that nobody counts.
    assert services == [2, 2, 0]
    end(pool[0][1])
    assert take(0)[0] == 2


def test_a_beat_without_places_says_what_to_do_and_tries_again(
    database: Any, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(places, "_own", places._Process())
    places._opened.cache_clear()
    holders = [take(4)[1] for _ in range(4)] + [take(0)[1] for _ in range(2)]
    try:
        with pytest.raises(psycopg.OperationalError, match="raise WATCHKEEPER_HOST_CONNECTIONS"):
            reading.connect()
        for holder in holders:
            end(holder)
        reading.connect().close()
    finally:
        places._opened.cache_clear()


def test_a_large_pool_has_two_connections_a_process(take: Take) -> None:
    assert [take(100)[0] for _ in range(3)] == [2, 2, 2]


def test_a_process_of_one_thread_takes_two_connections_however_small_its_pool(take: Take) -> None:
    assert [take(1, threads=1)[0] for _ in range(9)] == [2] * 8 + [0]


def test_the_places_of_a_process_that_was_killed_are_free(take: Take) -> None:
    first = [take(4) for _ in range(4)]
    assert take(4)[0] == 0

    end(first[0][1])

    assert take(4)[0] == 4


def test_under_load_a_pool_that_may_be_large_stays_within_the_connections_of_its_host(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any, tmp_path: Path
) -> None:
    celery_process("worker", "-Q", "upkeep", "--autoscale=12,1", "--slots", "2", app=KINDS,
                   WATCHKEEPER_HOST_CONNECTIONS="16", TMPDIR=str(tmp_path))  # fmt: skip
    celery_process("beat", WATCHKEEPER_HOST_CONNECTIONS="16", TMPDIR=str(tmp_path))
    runs = [new_run("tests.counting", items=2, seconds=1) for _ in range(12)]
    most = 0

    def done() -> bool:
        nonlocal most
        seen = connection.execute(
            "select count(*) as n from pg_stat_activity where datname = current_database()"
            " and application_name ~ '^(watchkeeper|beat)'"
        ).fetchone()
        most = max(most, seen["n"])
        return all(row(one)["state"] == "succeeded" for one in runs)

    eventually(done, within=120)

    pids = connection.execute("select count(distinct pid) as n from effect").fetchone()["n"]
    assert 4 <= most <= 16
    # The pool grew, and no further than connections were left.
    assert 2 <= pids <= 4
