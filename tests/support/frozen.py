"""A database whose clock stands still: each function and view reads `frozen.clock_timestamp()`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
WORLD = Path(__file__).with_name("frozen.sql")
#: Functions of Postgres that read the clock.
CLOCKS = ("clock_timestamp", "statement_timestamp", "now")


def freeze(database: Any) -> None:
    """Stop the clock of a migrated database and fill it with the world that the screens show."""
    with database.connect() as connection:
        connection.execute("create schema frozen; grant usage on schema frozen to public")
        for name in CLOCKS:
            connection.execute(
                f"create function frozen.{name}() returns timestamptz language sql stable"
                f" as $$ select timestamptz '{NOW.isoformat()}' $$"
            )
        # Before Postgres' own; what is made without a schema is made in public.
        path = "public, frozen, pg_catalog"
        connection.execute(f"alter database {database.name} set search_path = {path}")
        connection.execute(f"set search_path = {path}; set check_function_bodies = off")
        for file in sorted((ROOT / "alembic" / "sql").glob("*.sql")):
            connection.execute(file.read_text().encode())
        connection.execute(WORLD.read_text().encode())
