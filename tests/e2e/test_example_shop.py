"""The example in examples/shop, from nothing: somebody else's application on the schedule."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import wait_for
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "shop"
SERVICES = yaml.load((FOLDER / "compose.yml").read_text(), yaml.CSafeLoader)["services"]
#: Lines of README's first block: `docker compose exec beat celery -A shop.celery …`.
TYPED = [
    shlex.split(line.partition("exec beat ")[2])
    for line in (FOLDER / "README.md").read_text().replace("\\\n", "").splitlines()
    if " exec beat " in line
]


def environment(service: str, url: str, broker_url: str) -> dict[str, str]:
    """What compose gives a service, with this test's servers and folder in the place of its own."""
    given: dict[str, str] = SERVICES[service]["environment"]
    return {
        name: value.replace("redis://redis:6379/0", broker_url).replace("/shop", str(FOLDER))
        if name != "WATCHKEEPER_DATABASE_URL"
        else url
        for name, value in given.items()
    }


def test_compose_starts_what_there_is() -> None:
    ours = {name: one for name, one in SERVICES.items() if name not in {"postgres", "redis"}}
    assert ours.keys() == {"migrate", "worker", "beat"}
    for name, service in ours.items():
        assert service["volumes"] == [".:/shop:ro"], name
        assert service["environment"].keys() - environment_names() == {"PYTHONPATH", "SHOP_BROKER_URL"}
        assert service["depends_on"].keys() <= SERVICES.keys(), name
        assert name == "migrate" or "build" not in service
    assert (FOLDER / SERVICES["migrate"]["build"] / "Dockerfile").exists()
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "shop"


def environment_names() -> set[str]:
    return {f"WATCHKEEPER_{name.upper()}" for name in Settings.model_fields}


def test_the_shop_runs_from_nothing(
    celery_process: Callable[..., Any], database: Any, connection: Any, broker_url: str
) -> None:
    # As in compose everybody is the database's owner.
    env = environment("beat", database.admin_url, broker_url)
    migrate = subprocess.run(
        [sys.executable, *SERVICES["migrate"]["command"][1:]],
        cwd=ROOT, env={**os.environ, **environment("migrate", database.admin_url, broker_url)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert migrate.returncode == 0, migrate.stderr
    kinds = connection.execute(
        "select name, queue, plain from task_kind where retired_at is null"
    ).fetchall()
    assert {(row["name"], row["queue"]) for row in kinds if row["name"].startswith("shop.tasks.")} == {
        ("shop.tasks.count_stock", "shop"), ("shop.tasks.total", "shop"),
        ("shop.tasks.count_everything", "shop"), ("shop.tasks.send_statement", "mails"),
    }  # fmt: skip
    assert [row["queue"] for row in kinds if row["name"] == "shop.kinds.take_stock" and not row["plain"]] == ["shop"]  # fmt: skip
    # The watches are another application's: their schedules are off, and say why.
    assert not connection.execute("select from schedule where enabled").fetchall()

    for name in ("worker", "beat"):
        program, _, app, what, *options = SERVICES[name]["command"]
        assert (program, app, what) == ("celery", "shop.celery", name)
        celery_process(what, *options, app=app, **environment(name, database.admin_url, broker_url))

    def run(name: str) -> Any:
        return connection.execute(
            "select * from run where schedule = %s and finished_at is not null order by due_at", (name,)
        ).fetchone()

    wait_for(lambda: run("count-the-stock"), 60.0)
    first = run("count-the-stock")
    assert (first["state"], first["result"]["value"]) == ("succeeded", 15)
    words = connection.execute(
        "select title, schedule_words(s) as words from schedule s where cron is not null and enabled"
    ).fetchone()
    assert words == {
        "title": "Monthly statement, on a Monday",
        "words": "Mondays on day 1-7 of the month at 07:00 Berlin",
    }

    for line in TYPED[:-1]:
        done = subprocess.run(
            [sys.executable, "-m", *line],
            cwd=ROOT,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert [line[:5] for line in TYPED] == [
        ["celery", "-A", "shop.celery", "schedule", what] for what in ("list", "add", "watch")
    ]
    connection.execute(
        "insert into schedule (name, task, every, options) values"
        " ('all', 'shop.tasks.count_everything', '1 hour', '{}'),"
        """ ('flaky', 'shop.tasks.send_statement', '1 hour', '{"args": ["me"], "kwargs": {"fail_first": 2}}'),"""
        """ ('stock', 'shop.kinds.take_stock', '1 hour', '{"warehouses": ["central", "moon", "north"]}')"""
    )
    wait_for(lambda: all(map(run, ("all", "flaky", "stock", "mail-me"))), 60.0)
    assert run("mail-me")["result"]["value"] == "sent to me@example.org at attempt 1"
    assert run("all")["state"] == "succeeded"
    assert (run("flaky")["queue"], run("flaky")["result"]["value"]) == (
        "mails",
        "sent to me at attempt 3",
    )
    # A kind in the same application: each item has its own outcome.
    stock = run("stock")
    assert (stock["state"], stock["total"], stock["done"], stock["failed"]) == ("partial", 3, 2, 1)
    assert stock["result"]["summary"] == "15 pieces"
    alive = connection.execute("select detail from heartbeat where role = 'worker'").fetchall()
    assert [row["detail"]["queues"] for row in alive] == [["mails", "shop"]]
