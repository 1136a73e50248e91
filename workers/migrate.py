"""`python -m workers.migrate`: brings the database up to this code: tables, tasks, roles."""

from __future__ import annotations

import sys
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from workers import kinds, logs, roles, timezones
from workers.db import transaction
from workers.settings import settings
from workers.task import Task

log = structlog.stdlib.get_logger(__name__)

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def load_sql(*names: str) -> None:
    """Run ``alembic/sql/NAME.sql`` inside the current migration, one after the other."""
    from alembic import op

    # A file holds the newest text, which may name what a later migration creates.
    op.execute(text("set local check_function_bodies = off"))
    for name in names:
        statements = (PYPROJECT.parent / "alembic" / "sql" / f"{name}.sql").read_text()
        op.execute(text(statements.replace(":", r"\:")))


def registered() -> list[Task]:
    """Every task of this code, by name."""
    from workers.app import app

    app.loader.import_default_modules()
    return [
        task
        for _, task in sorted(app.tasks.items())
        if isinstance(task, Task) and not task.__module__.startswith(("celery.", "pytest_celery."))
    ]


def main() -> int:
    """Migrate and register; exit status 0, or 1 with a sentence when Postgres is out of reach."""
    logs.configure()
    config = Config(toml_file=str(PYPROJECT))
    try:
        command.upgrade(config, "head")
        with transaction() as connection:
            timezones.register(connection)
            number = kinds.register(connection, registered(), relaxed=settings().relax_intervals)
            refused = roles.register(connection)
    except OperationalError as error:
        log.error("migrate.failed", error=str(error.orig).strip())
        return 1
    if refused:
        log.warning(
            "roles.missing", why="this login may not make them", administrator_runs="; ".join(refused)
        )
    log.info("migrate.done", kinds=number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
