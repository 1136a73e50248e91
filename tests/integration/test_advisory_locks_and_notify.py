"""What every login of Postgres may do, advisory locks and NOTIFY, stalls neither beat nor workers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.discovery import token_sightings, wallets
from tests.support.beat import Drive
from workers.db import transaction

ROOT = Path(__file__).parents[2]
RUN = "00000000-0000-4000-8000-000000000000"
#: Keys that were once ours; the first is what migrate used.
KEYS = ("'watch'", "release head_fi", "kind tests.limited", "wallet", RUN)
#: Notifies as fast as one login can, and says after each hundred how many.
FLOOD = """
import itertools, psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    for number in itertools.count(1):
        connection.execute(f"notify watchkeeper, '{number}'")
        if number % 100 == 0:
            print(number, flush=True)
"""


@pytest.fixture
def viewer(login: Callable[[str], str]) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who may only read, with every advisory lock that we ever took."""
    with psycopg.connect(login("viewer"), autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (0x7761746368,))
        for key in KEYS:
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        yield connection


def test_beat_goes_on_while_a_viewer_holds_advisory_locks(
    drive: Drive, viewer: psycopg.Connection[Any]
) -> None:
    drive.kind("tests.limited", max_running=1)
    drive.schedule("first", task="tests.limited")
    drive.schedule("second", task="tests.limited")
    drive.schedule("parked")
    drive.work(rounds=2)
    drive.sql.execute(
        "update batch set state = 'waiting', waiting_for = 'head_fi', send_at = null"
        " where run_id = (select id from run where schedule = 'parked')"
    )
    drive.sql.execute(
        "update upstream_state set next_permit_at = clock_timestamp() where upstream = 'head_fi'"
    )
    drive.work(rounds=2)

    assert sorted(drive.states("first") + drive.states("second")) == ["due", "held"]
    let_go = "select from batch where waiting_for = 'head_fi' and send_at is not null"
    assert len(drive.all(let_go)) == 1


@pytest.fixture
def migrating(database: Any, postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the migrate step for the programs that a test starts."""
    for name, value in postgres_server.migrate_env(database.name).items():
        monkeypatch.setenv(name, value)


def test_workers_go_on_while_a_viewer_holds_advisory_locks(viewer: psycopg.Connection[Any]) -> None:
    began = time.monotonic()
    with transaction() as connection:
        wallets.lock(connection)
        assert token_sightings.choose(connection, RUN, 20) == 0  # type: ignore[arg-type]
    assert time.monotonic() - began < 4


def test_migrate_goes_on_while_a_viewer_holds_advisory_locks(
    viewer: psycopg.Connection[Any], migrating: None
) -> None:
    command = [sys.executable, "-m", "workers.migrate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    again = [sys.executable, "-m", "alembic", "upgrade", "head"]
    alembic = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, alembic.returncode) == (0, 0), done.stdout + alembic.stderr


def test_two_who_migrate_at_once_take_turns(database: Any, eventually: Any, migrating: None) -> None:
    """One holds the lock; the other waits for it, then finds nothing to do."""
    with psycopg.connect(database.url) as holder:
        holder.execute("lock table alembic_version in exclusive mode")
        command = [sys.executable, "-m", "alembic", "upgrade", "head"]
        other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        waiting = "select 1 from pg_locks where relation = 'alembic_version'::regclass and not granted"
        eventually(lambda: holder.execute(waiting).fetchall(), within=60)
        assert other.poll() is None
        holder.rollback()
    said, _ = other.communicate(timeout=60)
    assert other.returncode == 0, said


def test_nothing_of_ours_takes_an_advisory_lock() -> None:
    ours = [
        path for top in ("beat", "workers", "tasks", "alembic") for path in (ROOT / top).rglob("*.*")
    ]
    taking = [
        path.name for path in ours if path.suffix in {".py", ".sql"} and "advisory_" in path.read_text()
    ]
    assert not taking


class Running:
    """A beat that ticks in a thread, and how often."""

    def __init__(self, scheduler: Any) -> None:
        self.ticks = 0
        self._end = threading.Event()
        self._work = scheduler.work
        scheduler.work = self._counted
        self._scheduler = scheduler
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _counted(self) -> bool:
        self.ticks += 1
        return bool(self._work())

    def _run(self) -> None:
        while not self._end.is_set():
            self._scheduler.tick()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(30)


class Flood:
    """A viewer's process that notifies without end."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", FLOOD, url], stdout=subprocess.PIPE)

    def wait_for(self, more: int) -> float:
        """Wait for so many notifications (hundreds); returns how long that took (seconds)."""
        began = time.monotonic()
        assert self._process.stdout is not None
        for _ in range(more // 100):
            assert self._process.stdout.readline()
        return time.monotonic() - began

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def flooded(drive: Drive, login: Callable[[str], str]) -> Iterator[tuple[Running, Flood]]:
    drive.schedule("watched")
    drive.work(rounds=3)
    beat, flood = Running(drive.scheduler), Flood(login("viewer"))
    yield beat, flood
    beat.stop()
    flood.stop()


def test_a_flood_of_notifications_costs_beat_ten_ticks_a_second(
    drive: Drive, flooded: tuple[Running, Flood]
) -> None:
    beat, flood = flooded
    flood.wait_for(300)
    before = beat.ticks
    took = flood.wait_for(6000)
    # Beside those ten it looks around once a second of its own.
    assert beat.ticks - before <= 11 * took + 3


def test_an_edit_takes_effect_at_once_also_in_a_flood(
    drive: Drive, flooded: tuple[Running, Flood], eventually: Any
) -> None:
    _, flood = flooded
    flood.wait_for(300)
    took = []
    planned = (
        "select from schedule s join schedule_state st on st.schedule = s.name"
        " where name = 'watched' and planned_revision = revision"
    )
    for number in range(50):
        began = time.monotonic()
        drive.edit("watched", every=f"{600 + number} seconds")
        eventually(lambda: drive.all(planned), within=10, every=0.002)
        took.append(time.monotonic() - began)
    print(f"median {sorted(took)[25]:.3f} s, most {max(took):.3f} s")
    # Half of them, for the machine that tests run on may be busy with others; polling takes longer.
    assert sorted(took)[25] < 0.25
