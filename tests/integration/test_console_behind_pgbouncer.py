"""The console behind PgBouncer in transaction mode: nothing of a request stays on its server connection."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.test_console_stream import open_stream
from tests.support.console import Console
from tests.support.pgbouncer import PgBouncer, program
from tests.support.postgres import forget_caches
from tests.support.servers import start_server
from tests.support.tools import need

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def behind(
    scratch: Path,
    database: Any,
    postgres_server: Any,
    new_console: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Console, str]]:
    """The console, and the address by which others share its server connections."""
    need(program(), "PgBouncer")
    server = start_server(lambda port: PgBouncer(scratch / f"pgbouncer-{port}", port, postgres_server))
    monkeypatch.setenv("WATCHKEEPER_LISTEN", "false")
    forget_caches()
    url = server.through(postgres_server.login("console", database.name))
    yield new_console(database_url=url), url
    forget_caches()
    server.stop()


def test_role_actor_and_plan_end_with_the_request(behind: tuple[Console, str], connection: Any) -> None:
    console, url = behind
    ada, bob, viewer = console.api("operator"), console.api("operator"), console.as_("viewer")
    asked = (
        "select current_user, current_setting('role'), coalesce(current_setting('app.actor', true), '')"
    )
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
        for number in range(8):
            for client in (ada, bob):
                name = f"s-{number}-{'a' if client is ada else 'b'}"
                body = {"name": name, "task": "tasks.discovery.discover", "every": "1 hour"}
                assert client.post("/schedules", json=body).status_code == 201
                assert client.post("/schedules", json=body).status_code == 409
                assert tuple(other.execute(asked).fetchone() or ()) == ("console", "none", "")
            assert viewer.get("/schedules").status_code == 200
            assert viewer.post(f"/schedules/s-{number}-a/resume").status_code == 403
            assert tuple(other.execute(asked).fetchone() or ()) == ("console", "none", "")
    who = connection.execute(
        "select changed_by, array_agg(distinct right(name, 1)) as names from change"
        " where table_name = 'schedule' group by 1"
    ).fetchall()
    assert sorted(tuple(row["names"]) for row in who) == [("a",), ("b",)]


def test_an_edit_shows_within_five_seconds_by_polling(
    behind: tuple[Console, str], connection: Any
) -> None:
    console, _ = behind
    connection.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.discovery.discover', '1 hour')"
    )
    page = console.as_()
    with open_stream(console.as_()) as told:
        began = time.monotonic()
        connection.execute("update schedule set note = 'edited' where name = 'mine'")
        while "schedule:mine" not in json.loads(told("edited")):
            pass
        # What an open page does then.
        part = page.get("/schedules?q=mine", headers={"hx-request": "true"}).text

        assert time.monotonic() - began < 5
        assert "edited" in part
