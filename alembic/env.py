"""Runs migrations: one at a time, never waiting long for anybody's lock."""

from __future__ import annotations

import importlib
import pkgutil

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

import beat
import tasks
import workers
from workers.db import Base, connect_args
from workers.settings import settings

#: pg_advisory_lock key: two migrate steps started together run one after the other.
LOCK = 0x7761746368  # "watch"


def import_models() -> None:
    """Fill Base.metadata: every table lives in the module that is named after it."""
    for package in (workers, beat, tasks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith((".app", ".__main__", ".commands")):
                importlib.import_module(module.name)


def run(connection: Connection) -> None:
    """Migrate over ``connection``, whose transaction the caller commits."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Take the lock, then migrate; or print SQL when asked to (``--sql``)."""
    import_models()
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    url = context.config.attributes.get("url", settings().sqlalchemy_url)
    engine = create_engine(url, poolclass=pool.NullPool, connect_args=connect_args("migrate"))
    with engine.connect() as connection, engine.connect() as holder:
        holder.execute(text("set lock_timeout = '10min'"))
        holder.execute(text("select pg_advisory_lock(:key)"), {"key": LOCK})
        holder.commit()
        run(connection)
        connection.commit()


main()
