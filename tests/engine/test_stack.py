"""Compose on a real engine: start, health, crashes.  `make engine-test`.

The tests follow one another on one stack.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cgroup import MemoryGroup
from tests.support.engine import OURS, Engine
from tests.support.engine_load import caught_up, is_busy, put_under_load, verdict

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

GIGABYTE = 2**30
#: Until all is healthy, on a machine that does nothing else (seconds); wanted are 20.
MAX_START = 30.0


def test_everything_becomes_healthy(engine: Engine) -> None:
    busy = is_busy()
    seconds = engine.up()
    assert busy or seconds <= MAX_START
    # Nothing is left to do for the page's own lines, and psql answers.
    engine.recipe("Compose", lines=slice(1, None))
    engine.figures["healthy after, s"] = seconds
    engine.figures["load of the host"] = round(os.getloadavg()[0], 1)
    for service in (*OURS, "postgres", "redis"):
        for container in engine.containers(service):
            assert engine.health(container) == "running healthy", service


def test_down_and_up_in_a_gigabyte_keeps_the_data_and_becomes_healthy_again(engine: Engine) -> None:
    began = engine.sql("select min(created_at) from run")
    memory = MemoryGroup(engine.inspect(engine.containers("postgres")[0])["State"]["Pid"])
    engine.compose("down")
    with memory.limited(GIGABYTE):
        engine.figures["healthy after down and up in 1 GB, s"] = engine.up()
        for service in (*OURS, "postgres", "redis"):
            used = sum(memory_of(engine, one) for one in engine.containers(service))
            engine.figures[f"memory of {service}, MB"] = round(used / 1e6)
        assert memory.killed() == 0
    assert engine.sql("select min(created_at) from run") == began
    assert {engine.health(one) for one in engine.containers(*OURS)} == {"running healthy"}
    assert not [one for one in engine.containers() if engine.inspect(one)["RestartCount"]]


def memory_of(engine: Engine, container: str) -> int:
    """What the processes of a container hold, shared pages in their parts (bytes)."""
    return 1024 * sum(
        int(line.split()[1])
        for pid in engine.processes(container)
        if (rollup := Path(f"/proc/{pid}/smaps_rollup")).exists()
        for line in rollup.read_text().splitlines()
        if line.startswith("Pss:")
    )


def test_the_image_runs_as_nobody_special_and_is_small(engine: Engine) -> None:
    image = json.loads(engine.run("docker", "image", "inspect", "watchkeeper:latest"))[0]
    base = json.loads(engine.run("docker", "image", "inspect", "python:3.13-slim"))[0]
    layers = round((image["Size"] - base["Size"]) / 1e6)
    engine.figures["layers of the application, MB"] = layers
    assert image["Config"]["User"] == "10001"
    assert layers <= 170
    inside = "command -v gcc cc make pip; ls -d /app/sandbox /app/tests; true"
    assert (
        engine.run("docker", "run", "--rm", "watchkeeper:latest", "sh", "-c", f"({inside}) 2>/dev/null")
        == ""
    )


def test_containers_are_hardened_as_the_file_says(engine: Engine) -> None:
    for container in engine.containers():
        host = engine.inspect(container)["HostConfig"]
        name = engine.inspect(container)["Name"]
        assert host["ReadonlyRootfs"] is True, name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["Privileged"] is False, name


def test_no_secret_is_shown_by_inspect_or_by_the_list_of_processes(engine: Engine) -> None:
    secrets = [
        part
        for file in (engine.checkout / "secrets").rglob("*")
        if file.is_file()
        for part in file.read_text().replace("@", ":").replace("/", ":").replace(" ", ":").split(":")
        if len(part.strip()) == 36
    ]
    assert len(secrets) >= 8
    shown = "".join(engine.run("docker", "inspect", one) for one in engine.containers())
    shown += "".join(
        path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    )
    assert not [secret for secret in secrets if secret.strip() in shown]


def test_flower_asks_for_its_login(engine: Engine) -> None:
    login = (engine.checkout / "secrets" / "flower-login").read_text().strip()
    assert engine.status_of(5555, "/") == 401
    assert engine.status_of(5555, "/api/workers") == 401
    assert engine.status_of(5555, "/", login) == 200


def test_every_line_that_our_services_log_is_json(engine: Engine) -> None:
    bad = []
    for container, line in engine.log_lines("migrate", *OURS):
        try:
            assert isinstance(json.loads(line), dict)
        except ValueError:
            bad.append((container[:12], line[:200]))
    assert not bad


@pytest.mark.parametrize(("away", "whose"), [("postgres", "console"), ("redis", "flower")])
def test_a_server_that_hangs_and_what_needs_it_are_unhealthy_and_healthy_after(
    engine: Engine, away: str, whose: str
) -> None:
    containers = engine.containers(away, "beat", "discovery", "prices", "listings", whose)
    with frozen(engine, engine.containers(away)):
        engine.eventually(lambda: all(is_(engine, one, "unhealthy") for one in containers), 240)
    took = engine.eventually(lambda: all(is_(engine, one, "healthy") for one in containers), 240)
    engine.figures[f"healthy after {away} hung, s"] = took


def test_services_whose_processes_are_frozen_are_unhealthy(engine: Engine) -> None:
    containers = [engine.containers(service)[0] for service in OURS]
    with frozen(engine, containers):
        engine.eventually(lambda: all(is_(engine, one, "unhealthy") for one in containers), 240)
    engine.eventually(lambda: all(is_(engine, one, "healthy") for one in containers), 240)


def is_(engine: Engine, container: str, health: str) -> bool:
    return engine.health(container) == f"running {health}"


@contextmanager
def frozen(engine: Engine, containers: list[str]) -> Iterator[None]:
    """All processes but the init of each, so that its own health check runs."""
    firsts = {engine.inspect(one)["State"]["Pid"] for one in containers}
    pids = [pid for one in containers for pid in engine.processes(one) if pid not in firsts]
    engine.signal(signal.SIGSTOP, pids)
    try:
        yield
    finally:
        engine.signal(signal.SIGCONT, pids)


def test_load_is_dispatched_on_time(engine: Engine) -> None:
    put_under_load(engine)
    assert caught_up(engine)


@pytest.mark.parametrize(
    "service", ["beat", "prices", "redis", "postgres", "discovery", "listings", "flower", "console"]
)
def test_a_killed_container_is_back_and_no_due_time_is_lost(engine: Engine, service: str) -> None:
    container = engine.containers(service)[0]
    restarts = engine.inspect(container)["RestartCount"]
    engine.kill(container)
    engine.eventually(lambda: engine.inspect(container)["RestartCount"] > restarts, 60)
    engine.figures[f"{service} killed: healthy after, s"] = engine.eventually(
        lambda: engine.health(container) == "running healthy", 120
    )
    engine.figures[f"{service} killed: caught up after, s"] = engine.eventually(
        lambda: caught_up(engine), 120
    )


def test_all_containers_killed_at_once_are_back_and_no_due_time_is_lost(engine: Engine) -> None:
    running = [one for one in engine.containers() if engine.health(one).startswith("running")]
    engine.kill(*running)
    engine.eventually(lambda: all(engine.health(one) == "running healthy" for one in running), 240)
    engine.figures["all killed: caught up after, s"] = engine.eventually(lambda: caught_up(engine), 180)


def test_the_engine_itself_restarts(engine: Engine) -> None:
    engine.script("engine.sh", "down")
    engine.script("engine.sh", "up")
    engine.eventually(
        lambda: all(engine.health(one).endswith("healthy") for one in engine.containers(*OURS)), 240
    )
    engine.figures["engine restarted: caught up after, s"] = engine.eventually(
        lambda: caught_up(engine), 180
    )


def test_after_all_of_this_each_due_time_has_one_run(engine: Engine) -> None:
    found = verdict(engine)
    engine.figures["verdict"] = found
    assert found["schedules"] == 50
    assert found["twice"] == found["gaps"] == found["open"] == found["not succeeded"] == 0
