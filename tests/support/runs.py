"""Runs of the tests' own kinds, made and worked without beat or broker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.postgres import PostgresServer
from tests.support.postgres import forget_caches, new_database
from workers.connections import places

#: Application of workers that serve the tests' kinds.
KINDS = "tests.support.kinds"
EFFECT = """
create table if not exists effect (run_id uuid, item text, pid integer, at timestamptz default clock_timestamp());
grant select, insert on effect to service
"""


@pytest.fixture(scope="session")
def template_with_kinds(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The tests' kinds, registered once for all tests that use them."""
    from tests.support import kinds as application  # noqa: F401 - registers them

    with registered_in(postgres_server, migrated_template, EFFECT) as name:
        yield name


@pytest.fixture(scope="session")
def template_with_plain(postgres_server: PostgresServer, template_with_kinds: str) -> Iterator[str]:
    """The tests' plain tasks too."""
    from tests.support import plain_app  # noqa: F401 - registers them

    with registered_in(postgres_server, template_with_kinds) as name:
        yield name


@contextmanager
def registered_in(server: PostgresServer, template: str, statement: str = "") -> Iterator[str]:
    """A clone of the template in which all that the application has is registered, as the migrate step does."""
    from workers.db import transaction
    from workers.ledger import kinds as registry
    from workers.migrate import registered

    with pytest.MonkeyPatch.context() as patch, new_database(server, template, patch) as made:
        with made.connect() as connection:
            connection.execute(statement)
        with transaction() as alchemy:
            registry.register(alchemy, registered(), relaxed=True)
        places.file().unlink(missing_ok=True)
        forget_caches()
        patch.undo()
        yield made.name


@pytest.fixture
def kinds(database: Any) -> Any:
    """The tests' kinds, which this test's database knows."""
    from tests.support import kinds as application

    return application


@pytest.fixture
def plain(kinds: Any, connection: Any) -> Any:
    """The plain tasks of the tests, which this test's database knows."""
    from tests.support import plain_app

    return plain_app


@pytest.fixture
def new_run(kinds: Any, connection: Any) -> Callable[..., uuid.UUID]:
    """``new_run("tests.counting", items=7)`` writes a run and its first batch, as beat would."""

    def make(
        task: str, *, schedule: str | None = None, columns: dict[str, Any] | None = None, **options: Any
    ) -> uuid.UUID:
        run_id = uuid.uuid4()
        values = {
            "id": run_id, "schedule": schedule, "task": task, "options": json.dumps(options), "trigger": "manual",
            "state": "due", "queue": "upkeep", "max_attempts": 2, "batch_count": 1, "open_batches": 1,
            **(columns or {}),
        }  # fmt: skip
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        connection.execute(
            f"insert into run ({names}, due_at) values ({marks}, clock_timestamp())", values
        )
        connection.execute(
            "insert into batch (run_id, seq, task, queue) values (%s, 0, %s, 'upkeep')", (run_id, task)
        )
        return run_id

    return make


@pytest.fixture
def work(kinds: Any) -> Callable[..., Any]:
    """``work(run_id, seq)`` does what a worker does with that message."""

    def do(run_id: uuid.UUID, seq: int = 0, task: str = "tests.counting") -> Any:
        from workers.execution.task import RunFailed

        try:
            return kinds.app.tasks[task](str(run_id), seq)
        except RunFailed as failed:
            return failed

    return do


@pytest.fixture
def row(connection: Any) -> Callable[[uuid.UUID], dict[str, Any]]:
    return lambda run_id: connection.execute("select * from run where id = %s", (run_id,)).fetchone()


@pytest.fixture
def effects(kinds: Any, connection: Any) -> Callable[[], list[str]]:
    """``effects()``: the items that were done, in their order, one as often as it was done."""

    def read() -> list[str]:
        return [r["item"] for r in connection.execute("select item from effect order by item, at")]

    return read


def ended(connection: Any) -> dict[str, int]:
    """How many runs are in each state."""
    rows = connection.execute("select state, count(*) as n from run group by state")
    return {row["state"]: row["n"] for row in rows}
