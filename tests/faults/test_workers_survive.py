"""Workers asleep, cut off, hung, swollen or deaf: nothing is done twice, nothing is left."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

QUICK = {"WATCHKEEPER_LEASE_SECONDS": "3", "WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}
APP = "kinds_for_tests"


@pytest.fixture
def effects(connection: Any) -> Any:
    def read() -> list[str]:
        return [r["item"] for r in connection.execute("select item from effect order by item, at")]

    return read


def node_of(connection: Any, eventually: Any) -> Any:
    return eventually(
        lambda: connection.execute("select worker from batch where state = 'running'").fetchone(),
        within=60,
    )


def test_a_worker_that_slept_longer_than_its_lease_writes_nothing_over_its_successor(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any, effects: Any
) -> None:
    celery_process("beat", **QUICK)
    sleeper = celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **QUICK)
    run_id = new_run("tests.counting", items=4, seconds=1)
    eventually(lambda: len(effects()) == 1, within=60)

    os.killpg(sleeper.pid, signal.SIGSTOP)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **QUICK)
    eventually(lambda: len(effects()) >= 2, within=60)
    os.killpg(sleeper.pid, signal.SIGCONT)

    eventually(lambda: row(run_id)["finished_at"], within=45)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 4)
    eventually(lambda: "lease.lost" in sleeper.log.read_text(), within=20)
    assert effects() == ["i0", "i1", "i2", "i3"]
    assert connection.execute("select fence from batch").fetchone()["fence"] == 2


def test_postgres_away_for_longer_than_a_lease_robs_no_living_worker(
    celery_process: Any, new_run: Any, eventually: Any, database: Any, postgres_server: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **QUICK)
    run_id = new_run("tests.counting", items=2, seconds=6)
    with database.connect() as first:
        eventually(
            lambda: first.execute("select 1 as one from batch where state = 'running'").fetchone(),
            within=60,
        )

    postgres_server.kill()
    eventually(lambda: "lease.unbeaten" in worker.log.read_text(), within=20)
    seen = worker.log.read_text().count("lease.unbeaten")
    eventually(lambda: worker.log.read_text().count("lease.unbeaten") >= seen + 4, within=20)
    postgres_server.start()

    with database.connect() as again:
        query = "select state, done from run where id = %s and finished_at is not null"
        ended = eventually(lambda: again.execute(query, (run_id,)).fetchone(), within=60)
        assert ended == {"state": "succeeded", "done": 2}
        assert again.execute("select sum(deaths) as n from batch").fetchone() == {"n": 0}
        assert again.execute("select count(*) as n from effect").fetchone() == {"n": 2}


def test_a_worker_cut_off_from_postgres_comes_back(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, proxy: Any,
    database: Any, postgres_server: Any,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker",
        "-Q",
        "upkeep",
        "--autoscale=3,1",
        app=APP,
        **{**QUICK, "WATCHKEEPER_DATABASE_URL": url},
    )
    run_id = new_run("tests.counting", items=5, seconds=0.7)
    eventually(lambda: len(effects()) >= 1, within=60)

    between.cut()
    eventually(lambda: "demand.unread" in worker.log.read_text(), within=20)
    between.mend()

    eventually(lambda: row(run_id)["finished_at"], within=60)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 5)
    assert effects() == [f"i{n}" for n in range(5)]
    assert worker.running


def test_a_worker_whose_network_to_postgres_hangs_writes_nothing_over_its_successor(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, effects: Any, proxy: Any,
    database: Any, postgres_server: Any, connection: Any,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    celery_process("beat", **QUICK)
    hanging = {**QUICK, "WATCHKEEPER_DATABASE_URL": url}
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **hanging)
    run_id = new_run("tests.counting", items=4, seconds=1)
    eventually(lambda: len(effects()) >= 1, within=60)

    between.freeze()
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **QUICK)
    eventually(
        lambda: connection.execute("select 1 as one from batch where fence = 2").fetchone(), within=60
    )
    between.mend()

    eventually(lambda: row(run_id)["finished_at"], within=45)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 4)
    assert effects() == ["i0", "i1", "i2", "i3"]


def test_a_worker_cut_off_from_redis_comes_back(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, proxy: Any, valkey_server: Any
) -> None:
    between = proxy(valkey_server.port)
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app=APP,
        **{**QUICK, "WATCHKEEPER_BROKER_URL": f"redis://127.0.0.1:{between.port}/0"},
    )  # fmt: skip
    first = new_run("tests.counting", items=1)
    eventually(lambda: row(first)["finished_at"], within=60)

    between.cut()
    second = new_run("tests.counting", items=1)
    eventually(lambda: "Connection to broker lost" in worker.log.read_text(), within=30)
    between.mend()

    eventually(lambda: row(second)["state"] == "succeeded", within=40)
    assert worker.running


def test_a_hung_child_whose_thread_still_beats_is_ended_by_the_deadline(
    celery_process: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=APP, **QUICK)
    hung = new_run("tests.hanging", columns={"timeout": "3 seconds"})

    eventually(lambda: row(hung)["finished_at"], within=60)
    assert row(hung)["state"] == "failed"
    assert "not finished within its timeout" in row(hung)["error"]
    assert (row(hung)["finished_at"] - row(hung)["started_at"]).total_seconds() < 8

    # Celery's limit frees the process: the worker works on.
    after = new_run("tests.counting", items=1)
    eventually(lambda: row(after)["state"] == "succeeded", within=40)


def test_processes_that_take_too_much_memory_are_replaced_and_nothing_is_lost(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, connection: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process(
        "worker", "-Q", "upkeep", "-c", "1", "--max-memory-per-child", "90000", app=APP, **QUICK
    )
    runs = [new_run("tests.growing", items=10) for _ in range(2)]

    for run_id in runs:
        eventually(lambda run_id=run_id: row(run_id)["state"] == "succeeded", within=90)
    counts = connection.execute("select count(distinct pid) as p, count(*) as n from effect").fetchone()
    assert counts["n"] == 20
    assert counts["p"] >= 2
    assert connection.execute("select sum(deaths) as n from batch").fetchone()["n"] == 0


def test_a_worker_that_no_longer_consumes_ends_itself_to_be_started_again(
    celery_process: Any, eventually: Any, connection: Any, broker_url: str
) -> None:
    from workers.app import app

    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app=APP, WATCHKEEPER_X_STANDSTILL="4", **QUICK
    )
    eventually(lambda: connection.execute("select 1 as one from heartbeat").fetchone(), within=60)

    with app.connection_for_write(url=broker_url) as link:
        app.control.broadcast("stand_still", connection=link)

    eventually(lambda: not worker.running, within=40)
    assert worker.status == 70
    assert "worker.standstill" in worker.log.read_text()
