"""The sandbox's machine: guarded processes, supervision, real servers."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest

from sandbox import web
from sandbox.ports import free_ports
from sandbox.postgres import PostgresServer
from sandbox.processes import NotStarted, Process
from sandbox.supervisor import Part, Supervisor
from tests.support.servers import start_server
from workers.connections import places

ROOT = Path(__file__).parents[2]
#: A parent that ignores SIGTERM, and a child of it, as a pool has: both write their numbers.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
signal.pause()
"""
#: An owner of such a process, to be killed.
OWNER = """
import sys, signal
from pathlib import Path
from sandbox.processes import Process
Process([sys.executable, "-c", sys.argv[1], sys.argv[2]], log=Path(sys.argv[2] + ".log")).start()
signal.pause()
"""


def lives(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def numbers(file: Path) -> list[int]:
    found = [int(line) for line in file.read_text().split()] if file.exists() else []
    return found if len(found) == 2 else []


def stubborn(file: Path) -> Process:
    process = Process([sys.executable, "-c", STUBBORN, str(file)], log=file.with_suffix(".log"))
    process.start()
    return process


def test_nothing_outlives_a_killed_owner(tmp_path: Path, eventually: Any) -> None:
    file = tmp_path / "numbers"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, STUBBORN, str(file)], cwd=ROOT)
    pids = eventually(lambda: numbers(file), within=30)

    owner.kill()
    owner.wait()

    eventually(lambda: not any(map(lives, pids)), within=15)


def test_a_killed_guard_takes_its_whole_group_along(tmp_path: Path, eventually: Any) -> None:
    process = stubborn(tmp_path / "numbers")
    pids = eventually(lambda: numbers(tmp_path / "numbers"), within=30)
    guard = process._guard
    assert guard is not None

    guard.kill()
    guard.wait()
    process.stop()

    eventually(lambda: not any(map(lives, pids)), within=15)


def test_what_ignores_a_stop_is_ended_with_its_children(tmp_path: Path, eventually: Any) -> None:
    process = stubborn(tmp_path / "numbers")
    pids = eventually(lambda: numbers(tmp_path / "numbers"), within=30)
    assert process.pid in pids

    process.stop(grace=0.2)

    assert not process.running
    assert not any(map(lives, pids))


def test_a_signal_reaches_a_command_that_has_only_just_begun(tmp_path: Path) -> None:
    process = Process(["sleep", "60"], log=tmp_path / "log")
    process.start()
    assert process._guard is not None

    process._guard.terminate()

    assert process.wait(30) in {128 + signal.SIGTERM, -signal.SIGTERM}
    process.stop()


def test_a_command_that_does_not_exist_is_not_started(tmp_path: Path) -> None:
    process = Process(["no-such-program"], log=tmp_path / "log")
    process.start()

    with pytest.raises(NotStarted, match="no-such-program"):
        _ = process.pid
    process.stop()


def part(tmp_path: Path, name: str, stage: int, script: str) -> Part:
    """A shell script that makes file NAME.up, and says in file `order` that it ends."""
    order, up = tmp_path / "order", tmp_path / f"{name}.up"
    whole = f"trap 'echo {name} >> {order}; exit 0' TERM; touch {up}; {script}"
    process = Process(["sh", "-c", whole], log=tmp_path / f"{name}.log")
    process.start()
    return Part(name, process, up.exists, stage, grace=5.0)


FOREVER = "while :; do sleep 0.05; done"


def test_parts_stop_in_reverse_order(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    for stage, name in enumerate(("database", "broker", "worker")):
        supervisor.add(part(tmp_path, name, stage, FOREVER))
    supervisor.wait_ready()

    supervisor.stop()

    assert (tmp_path / "order").read_text().split() == ["worker", "broker", "database"]


def test_a_part_that_dies_is_started_again_later_each_time(tmp_path: Path, eventually: Any) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    supervisor.add(part(tmp_path, "fragile", 0, "echo it broke; exit 3"))

    def watched() -> bool:
        supervisor.watch()
        return len(said) == 2

    eventually(watched, within=30)
    supervisor.stop()

    assert said == [
        "fragile ended with status 3; again in 0.5 s\nit broke",
        "fragile ended with status 3; again in 1.0 s\nit broke\nit broke",
    ]


def test_a_part_that_does_not_come_up_says_which_and_why(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    broken = part(tmp_path, "broken", 0, "echo no space left; exit 4")
    broken.ready = lambda: False
    supervisor.add(broken)

    with pytest.raises(NotStarted, match=r"broken ended with status 4:\nno space left"):
        supervisor.wait_ready()
    supervisor.stop()


def test_a_stop_is_bounded_however_stubborn_the_parts(tmp_path: Path, eventually: Any) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    process = stubborn(tmp_path / "numbers")
    pids = eventually(lambda: numbers(tmp_path / "numbers"), within=30)
    supervisor.add(Part("stubborn", process, lambda: True, 0, grace=0.3))
    began = time.monotonic()

    supervisor.stop()

    assert time.monotonic() - began < 5
    assert said == ["stubborn did not end in time and is killed"]
    assert not any(map(lives, pids))


@pytest.mark.parametrize("how", ["stopped", "orphaned"])
def test_a_server_of_data_gets_the_time_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any, how: str
) -> None:
    monkeypatch.setattr("sandbox.supervisor.MAX_STOP", 0.2)
    up, written = tmp_path / "up", tmp_path / "written"
    slow = f"trap 'sleep 4; touch {written}; exit 0' INT; touch {up}; {FOREVER}"
    process = Process(
        ["sh", "-c", slow], log=tmp_path / "log", orphan_signal=signal.SIGINT, orphan_grace=20.0
    )
    process.start()
    supervisor = Supervisor(lambda _: None)
    supervisor.add(Part("postgres", process, up.exists, 0, signal.SIGINT, grace=20.0))
    supervisor.wait_ready()

    if how == "stopped":
        supervisor.stop()
    else:
        process.close_pipe()
        process.wait(15)

    assert written.exists()


def test_a_server_that_ends_leaves_no_file_that_counts_its_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = PostgresServer(tmp_path / "postgres", 5)
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", server.login("service", "some"))
    places.file().touch()

    server.stop()

    assert list(tmp_path.glob("*.places")) == []


def test_a_guard_starts_in_an_ascii_locale_whatever_the_path_of_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / "Ünï cödé"
    version = "python{}.{}".format(*sys.version_info)
    packages = venv / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "here.pth").write_text(f"{venv}\n", encoding="utf-8")
    (venv / "pyvenv.cfg").write_text(f"home = {Path(sys._base_executable).parent}\n")  # type: ignore[attr-defined]
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "executable", str(venv / "bin" / "python"))
    process = Process(["true"], log=tmp_path / "log", env={"LC_ALL": "C"})

    process.start()

    assert process.wait(30) == 0, process.tail()
    process.stop()


def test_what_is_on_this_machine_is_not_asked_through_a_proxy(
    site_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    site_server.reply = lambda _: (200, {}, "well")
    spec = importlib.util.spec_from_file_location("health", ROOT / "deploy" / "flower_health.py")
    assert spec is not None
    assert spec.loader is not None
    health = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(health)
    monkeypatch.setattr(health, "PORT", site_server.server.server_port)
    monkeypatch.setattr(health, "Connection", MagicMock())

    assert web.answers(site_server.url)
    assert health.main() == 0


def test_ports_are_all_different() -> None:
    names = [str(number) for number in range(50)]

    assert len(set(free_ports(names).values())) == 50


def test_a_crashed_postgres_comes_back_with_its_data(scratch: Path) -> None:
    server = start_server(lambda port: PostgresServer(scratch / "crash", port))
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create table kept (n integer)")
        connection.execute("insert into kept values (42)")

    server.kill()
    assert not server.answers()
    server.start()

    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute("select n, inet_server_addr()::text from kept").fetchone()
    server.stop()
    assert row == (42, "127.0.0.1/32")
    assert server.data.name.startswith("postgres-")
    assert server.data.stat().st_mode & 0o777 == 0o700


def test_a_killed_broker_comes_back_empty(valkey_server: Any) -> None:
    import redis

    with redis.Redis(port=valkey_server.port) as client:
        client.set("a", "b")

    valkey_server.kill()
    assert not valkey_server.answers()
    valkey_server.start()

    with redis.Redis(port=valkey_server.port) as client:
        assert client.dbsize() == 0
