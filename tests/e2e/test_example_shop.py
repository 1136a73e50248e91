"""The example in examples/shop, from nothing: somebody else's application on the schedule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
SHOP = str(ROOT / "examples" / "shop")


def test_the_shop_runs_from_nothing(
    celery_process: Callable[..., Any], database: Any, connection: Any, broker_url: str
) -> None:
    env = {"PYTHONPATH": SHOP, "SHOP_BROKER_URL": broker_url, "WATCHKEEPER_APP": "shop.celery"}
    migrate = subprocess.run(
        [sys.executable, "-m", "workers.migrate"],
        cwd=ROOT, env={**os.environ, **env, "WATCHKEEPER_DATABASE_URL": database.admin_url},
        capture_output=True, text=True,
    )  # fmt: skip
    assert migrate.returncode == 0, migrate.stderr
    kinds = connection.execute(
        "select name, queue, plain from task_kind where retired_at is null"
    ).fetchall()
    assert {(row["name"], row["queue"]) for row in kinds if row["name"].startswith("shop.")} == {
        ("shop.tasks.count_stock", "shop"), ("shop.tasks.total", "shop"),
        ("shop.tasks.count_everything", "shop"), ("shop.tasks.send_statement", "mails"),
    }  # fmt: skip
    # The watches are another application's: their schedules are off, and say why.
    assert not connection.execute("select from schedule where enabled").fetchall()

    celery_process("worker", "-Q", "shop,mails", "-c", "2", app="shop.celery", **env)
    celery_process("beat", app="shop.celery", **env)

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

    connection.execute(
        "insert into schedule (name, task, every, options) values"
        " ('all', 'shop.tasks.count_everything', '1 hour', '{}'),"
        """ ('flaky', 'shop.tasks.send_statement', '1 hour', '{"args": ["me"], "kwargs": {"fail_first": 2}}')"""
    )
    wait_for(lambda: run("all") and run("flaky"), 60.0)
    assert run("all")["state"] == "succeeded"
    assert (run("flaky")["queue"], run("flaky")["result"]["value"]) == (
        "mails",
        "sent to me at attempt 3",
    )
    alive = connection.execute("select detail from heartbeat where role = 'worker'").fetchall()
    assert [row["detail"]["queues"] for row in alive] == [["mails", "shop"]]
