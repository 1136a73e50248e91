"""Compose on a real engine: start, health, crashes, upgrade, backup, secrets.  `make engine-test`.

The tests follow one another on one stack; the recipes are those of docs/production.md, line by line.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.engine import OURS, Engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

#: 50 schedules of a harmless kind, each due every 5 seconds: 10 runs a second.
LOAD = """
insert into schedule (name, task, every, catch_up, overlap, note)
select 'load-' || lpad(i::text, 2, '0'), 'tasks.watches.send', '5 seconds', 'all', 'allow_all', 'load'
  from generate_series(1, 50) i
"""
#: Schedules, due times with two runs, gaps in the grid, runs that are open although they were due 20 s ago.
VERDICT = """
with r as (select schedule, due_at, state, due_at - lag(due_at) over (partition by schedule order by due_at) as step
             from run where schedule like 'load-%' and trigger = 'schedule')
select json_build_object('schedules', count(distinct schedule), 'runs', count(*),
    'twice', count(*) - count(distinct (schedule, due_at)), 'gaps', count(*) filter (where step <> interval '5 seconds'),
    'open', count(*) filter (where state in ('due', 'running') and due_at < now() - interval '20 seconds'),
    'not succeeded', count(*) filter (where state not in ('due', 'running', 'succeeded')))
  from r
"""
BEHIND = """
select count(*) from (select max(due_at) as last from run where schedule like 'load-%' group by schedule) s
 where last < now() - interval '8 seconds'
"""
OPEN_LATE = """
select count(*) from run where schedule like 'load-%' and state in ('due', 'running')
   and due_at < now() - interval '6 seconds'
"""


def verdict(engine: Engine) -> dict[str, int]:
    found: dict[str, int] = json.loads(engine.sql(VERDICT))
    return found


def caught_up(engine: Engine) -> bool:
    return engine.sql(BEHIND) == "0" and engine.sql(OPEN_LATE) == "0"


def test_everything_becomes_healthy(engine: Engine) -> None:
    seconds = engine.up()
    # Nothing is left to do for the page's own lines, and psql answers.
    engine.recipe("Compose", lines=slice(1, None))
    engine.figures["healthy after, s"] = seconds
    engine.figures["load of the host"] = round(os.getloadavg()[0], 1)
    for service in (*OURS, "postgres", "redis"):
        for container in engine.containers(service):
            assert engine.health(container) == "running healthy", service


def test_down_and_up_keeps_the_data_and_becomes_healthy_again(engine: Engine) -> None:
    began = engine.sql("select min(created_at) from run")
    engine.compose("down")
    engine.figures["healthy after down and up, s"] = engine.up()
    assert engine.sql("select min(created_at) from run") == began
    assert {engine.health(one) for one in engine.containers(*OURS)} == {"running healthy"}


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
def test_what_needs_a_server_is_unhealthy_while_it_hangs_and_healthy_after(
    engine: Engine, away: str, whose: str
) -> None:
    (server,) = engine.containers(away)
    ours = engine.containers("beat", "discovery", "prices", "listings", whose)
    engine.run("docker", "pause", server)
    try:
        engine.eventually(lambda: all(engine.health(one) == "running unhealthy" for one in ours), 240)
    finally:
        engine.run("docker", "unpause", server)
    took = engine.eventually(lambda: all(engine.health(one) == "running healthy" for one in ours), 240)
    engine.figures[f"healthy after {away} hung, s"] = took


@pytest.mark.parametrize("service", [*OURS, "postgres", "redis"])
def test_a_service_whose_processes_are_frozen_is_unhealthy(engine: Engine, service: str) -> None:
    container = engine.containers(service)[0]
    first = engine.inspect(container)["State"]["Pid"]
    # All but the init.
    pids = [pid for pid in engine.processes(container) if pid != first]
    engine.signal(signal.SIGSTOP, pids)
    try:
        engine.eventually(lambda: engine.health(container) == "running unhealthy", 240)
    finally:
        engine.signal(signal.SIGCONT, pids)
    engine.eventually(lambda: engine.health(container) == "running healthy", 120)


def test_load_is_dispatched_on_time(engine: Engine) -> None:
    engine.sql(LOAD)
    engine.eventually(lambda: verdict(engine)["runs"] > 200, 120)
    assert caught_up(engine)


@pytest.mark.parametrize(
    "service", ["beat", "prices", "redis", "postgres", "discovery", "listings", "flower"]
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


def test_an_upgrade_hardly_pauses_dispatch(engine: Engine) -> None:
    began = engine.sql("select clock_timestamp()")
    before = set(engine.containers("beat", "discovery", "prices", "listings"))
    (engine.checkout / "workers" / "version_of_the_test.py").write_text(f"# {time.time()}\n")
    # The build reaches the package index from the host's network only; what it needs is cached here.
    (engine.checkout / "docker-compose.override.yml").write_text(
        "services: {migrate: {build: {network: host}}}\n"
    )
    try:
        engine.recipe("How do I upgrade Watchkeeper?")
    finally:
        (engine.checkout / "docker-compose.override.yml").unlink()
    after = set(engine.containers("beat", "discovery", "prices", "listings"))
    assert not before & after
    assert len(after) == len(before)
    images = Counter(engine.inspect(one)["Image"] for one in engine.containers(*OURS))
    assert len(images) == 1
    pause = engine.sql(
        "select max(gap) from (select extract(epoch from started_at - lag(started_at) over (order by started_at)) as gap"
        f" from run where schedule like 'load-%' and started_at > '{began}') gaps"
    )
    engine.figures["upgrade: longest pause between starts, s"] = round(float(pause), 1)
    engine.eventually(lambda: caught_up(engine), 120)
    found = verdict(engine)
    assert found["twice"] == found["gaps"] == found["not succeeded"] == 0
    assert float(pause) < 10


def test_older_code_refuses_a_newer_database_in_words(engine: Engine) -> None:
    (revision,) = engine.sql("select version_num from alembic_version").split()
    engine.sql("update alembic_version set version_num = '9999_newer'")
    try:
        said = engine.compose("run", "--rm", "migrate", okay=False)
    finally:
        engine.sql(f"update alembic_version set version_num = '{revision}'")
    assert "the database is at revision 9999_newer, which this code does not know" in said


def test_a_backup_is_restored_into_an_empty_volume_and_starts_paused(engine: Engine) -> None:
    tables = "select count(*) from schedule where name like 'load-%'"
    runs = int(engine.sql("select count(*) from run"))
    engine.recipe("How do I back up?")
    engine.recipe("How do I restore?")
    assert engine.sql(tables) == "50"
    kept = int(engine.sql("select count(*) from run"))
    assert kept >= runs
    assert engine.sql("select paused from pause_switch") == "t"
    started = engine.sql("select max(started_at) from run")
    engine.eventually(
        lambda: engine.sql("select count(*) > 1 from health where state = 'ok'") == "t", 60
    )
    assert engine.sql("select max(started_at) from run") == started
    engine.recipe("How do I restore?", block=1)
    engine.eventually(lambda: engine.sql("select max(started_at) from run") != started, 60)


def test_every_secret_can_be_changed(engine: Engine) -> None:
    files = [
        one
        for one in (engine.checkout / "secrets").rglob("*")
        if one.is_file() and one.read_text().strip()
    ]
    before = {one: one.read_text() for one in files}
    engine.recipes("How do I change a secret?")
    unchanged = {one.name for one, text in before.items() if one.read_text() == text}
    # Grafana keeps its own password after its first start.
    assert unchanged == {"grafana-password"}
    engine.eventually(
        lambda: all(engine.health(one) == "running healthy" for one in engine.containers(*OURS)), 180
    )
    engine.eventually(lambda: caught_up(engine), 180)
    login = (engine.checkout / "secrets" / "flower-login").read_text().strip()
    assert engine.status_of(5555, "/", login) == 200
    assert "watchkeeper_operator" in engine.compose(
        "run", "--rm", "-T", "sql", "-qtAc", "select current_user"
    )


def test_another_major_version_of_postgres_takes_over_by_a_dump(engine: Engine) -> None:
    engine.compose("down", "-v")
    with (engine.checkout / ".env").open("a") as file:
        file.write("POSTGRES_IMAGE=postgres:15\n")
    engine.up()
    engine.sql(LOAD)
    assert engine.sql("show server_version").startswith("15")
    engine.eventually(lambda: verdict(engine)["runs"] > 100, 120)
    engine.recipe("How do I move to another major version of Postgres?")
    engine.recipe("How do I restore?")
    engine.recipe("How do I restore?", block=1)
    assert engine.sql("show server_version").startswith("17")
    engine.eventually(lambda: caught_up(engine), 120)
    assert verdict(engine)["twice"] == 0
