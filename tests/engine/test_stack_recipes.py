"""Recipes of docs/production.md on a real engine, line by line, after the tests of test_stack.py."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.support.engine import OURS, Engine
from tests.support.engine_load import caught_up, is_busy, put_under_load, verdict

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

#: How long an upgrade may pause dispatch (seconds), and what a machine in use for other things may add.
PAUSE, BESIDE_OTHERS = 5.0, 10.0


def test_an_upgrade_hardly_pauses_dispatch(engine: Engine) -> None:
    put_under_load(engine)
    busy = is_busy()
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
    engine.figures["upgrade: the machine was busy before"] = busy
    engine.eventually(lambda: caught_up(engine), 120)
    found = verdict(engine)
    assert found["twice"] == found["gaps"] == found["not succeeded"] == 0
    assert float(pause) <= PAUSE + busy * BESIDE_OTHERS


def test_older_code_refuses_a_newer_database_in_words(engine: Engine) -> None:
    (revision,) = engine.sql("select version_num from alembic_version").split()
    engine.sql("update alembic_version set version_num = '9999_newer'")
    try:
        said = engine.compose("run", "--rm", "migrate", okay=False)
    finally:
        engine.sql(f"update alembic_version set version_num = '{revision}'")
    assert "the database is at revision 9999_newer, which this code does not know" in said


def test_a_backup_is_restored_into_an_empty_volume_and_starts_paused(engine: Engine) -> None:
    put_under_load(engine)
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
    put_under_load(engine, 100)
    assert engine.sql("show server_version").startswith("15")
    engine.recipe("How do I move to another major version of Postgres?")
    engine.recipe("How do I restore?")
    engine.recipe("How do I restore?", block=1)
    assert engine.sql("show server_version").startswith("17")
    engine.eventually(lambda: caught_up(engine), 120)
    assert verdict(engine)["twice"] == 0
