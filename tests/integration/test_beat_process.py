"""A real beat: `celery -A workers.app beat`, its wakefulness, its signs, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.beat import Drive

ROOT = Path(__file__).parents[2]


@pytest.fixture
def running(drive: Drive, celery_process: Callable[..., Any], eventually: Callable[..., Any]) -> Any:
    """A beat that is up and has nothing to do."""
    process = celery_process("beat", WATCHKEEPER_SWEEP_SECONDS="300")
    eventually(lambda: drive.all("select * from heartbeat where role = 'beat'"), within=30)
    return process


def planned_within(drive: Drive, name: str, eventually: Callable[..., Any]) -> float:
    """Seconds from an edit's commit until beat has planned it."""
    began = time.monotonic()
    drive.edit(name, every=f"{600 + int(began) % 600} seconds")
    eventually(
        lambda: drive.all(
            "select from schedule s join schedule_state st on st.schedule = s.name"
            " where name = %s and planned_revision = revision",
            name,
        ),
        within=10,
        every=0.002,
    )
    return time.monotonic() - began


def test_an_edit_ends_the_wait_at_once(drive: Drive, running: Any, eventually: Any) -> None:
    drive.schedule("watched")
    eventually(lambda: drive.states("watched") == ["due"])
    took = sorted(planned_within(drive, "watched", eventually) for _ in range(20))
    assert took[10] < 0.1


def test_beat_holds_no_code_of_the_tasks_it_sends(drive: Drive) -> None:
    """It reads what watches declare, such as their queues; no task and no library of tasks comes with that."""
    code = (
        "import sys; from workers.app import app; app.Beat(quiet=True).init_loader();"
        " heavy = {'selectolax', 'lark', 'rapidfuzz', 'price_parser', 'exchange_calendars', 'pandas'};"
        " kinds = [name for name in app.tasks if name.startswith('tasks.')];"
        " sys.exit([*kinds, *(heavy & sys.modules.keys())] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_polling_alone_works_too(drive: Drive, celery_process: Any, eventually: Any) -> None:
    celery_process("beat", WATCHKEEPER_LISTEN="false")
    eventually(lambda: drive.all("select * from heartbeat where role = 'beat'"), within=30)
    drive.schedule("watched")
    eventually(lambda: drive.states("watched") == ["due"], within=5)
    assert planned_within(drive, "watched", eventually) < 2


def test_beat_gives_signs_of_use_answers_ping_and_ends_when_asked(
    drive: Drive, running: Any, tmp_path: Path, eventually: Any
) -> None:
    (row,) = drive.all("select name, (detail->>'pid')::int as pid from heartbeat where role = 'beat'")
    assert row["name"].endswith(f"@{socket.gethostname()}")
    assert (tmp_path / "heartbeats" / f"beat-{row['name']}").exists()
    command = ["-m", "celery", "-A", "workers.app", "inspect", "ping", "-t", "5", "-d", row["name"]]
    answer = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "pong" in answer.stdout
    os.kill(row["pid"], signal.SIGTERM)
    ours = "select count(*) as n from pg_stat_activity where application_name like 'beat%%'"
    eventually(lambda: drive.one(ours)["n"] == 0, within=20)
    eventually(lambda: not running.running, within=20)
    assert [row["state"] for row in drive.all("select state from health")] == ["ended"]
    assert not (tmp_path / "heartbeats" / f"beat-{row['name']}").exists()


def test_a_stock_worker_takes_beats_messages(
    drive: Drive, broker_url: str, eventually: Any, tmp_path: Path
) -> None:
    drive.old_worker("upkeep")
    for number in range(50):
        drive.schedule(f"s-{number}", priority=number % 10)
    drive.work()
    stock = tmp_path / "stock.py"
    stock.write_text(
        "from celery import Celery\n"
        f"app = Celery(broker={broker_url!r}, set_as_current=False)\n"
        "app.conf.broker_transport_options = {'queue_order_strategy': 'priority', 'priority_steps': list(range(10))}\n"
        "@app.task(name='tests.noop')\n"
        "def noop(run_id, seq):\n"
        f"    open({str(tmp_path / 'taken')!r}, 'a').write(run_id + chr(10))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "stock", "worker", "-P", "solo", "-Q", "upkeep",
         "--without-gossip", "--without-mingle", "-l", "ERROR"],
        cwd=tmp_path,
    )  # fmt: skip
    taken = tmp_path / "taken"
    try:
        eventually(lambda: taken.exists() and taken.read_text().count("\n") == 50, within=30)
    finally:
        worker.terminate()
        worker.wait(15)
    rows = {str(row["id"]): row["priority"] for row in drive.all("select id, priority from run")}
    order = [rows.pop(run_id) for run_id in taken.read_text().split()]
    assert not rows
    assert drive.queued() == []
    # Within the few that are fetched together the order is Celery's own.
    assert order[0] >= 7
    assert order[-1] == 0


def test_a_beat_whose_exit_got_lost_in_a_library_ends_with_its_tick(
    new_beat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = new_beat()

    def work() -> bool:
        scheduler.close()
        return True

    monkeypatch.setattr(scheduler, "work", work)
    with pytest.raises(SystemExit):
        scheduler.tick()
