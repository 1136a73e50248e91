"""Runs migrations: one at a time, never waiting long for anybody's lock."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Mapping

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.exc import IntegrityError

import beat
import tasks
import workers
from workers.connections.postgres import engine_args
from workers.db import Base
from workers.settings import settings

#: As Alembic makes it, which then finds it there.
VERSION_TABLE = """
create table if not exists alembic_version (
    version_num varchar(32) not null constraint alembic_version_pkc primary key
)
"""
#: Two migrate steps started together run one after the other.  Only who may write the table can take
#: this lock of it (an advisory lock is everybody's); reading it goes on.
TAKE_TURNS = """
set local lock_timeout = '10min';
set local statement_timeout = '10min';
lock table alembic_version in exclusive mode;
set local lock_timeout to default;
set local statement_timeout to default
"""


def import_models() -> None:
    """Fill Base.metadata with the tables that statements of SQLAlchemy name."""
    if "models" in context.config.attributes:
        # This file is read anew for each revision.
        return
    context.config.attributes["models"] = True
    for package in (workers, beat, tasks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith((".app", ".__main__", ".commands")):
                importlib.import_module(module.name)


def is_mapped(name: str | None, type_: str, parents: Mapping[str, str | None]) -> bool:
    """Whether Alembic compares it: tables without a class are described by alembic/schema.sql alone."""
    if type_ == "table":
        return parents["schema_qualified_table_name"] in Base.metadata.tables
    return type_ != "schema" or name in {None, "console"}


def run(connection: Connection) -> None:
    """Migrate over ``connection`` in one transaction, after any other migrate step that runs now."""
    with contextlib.suppress(IntegrityError), connection.begin():
        # Refused (duplicate key) when somebody else makes it at this moment.
        connection.execute(text(VERSION_TABLE))
    connection.execute(text(TAKE_TURNS))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=False,
        include_schemas=True,
        include_name=is_mapped,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def main() -> None:
    """Migrate; or print SQL when asked to (``--sql``)."""
    import_models()
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    engine = create_engine(**engine_args(settings().libpq_dsn, "migrate"), poolclass=pool.NullPool)
    with engine.connect() as connection:
        run(connection)


main()
