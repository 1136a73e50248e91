"""Engine, metadata and transactions: the only place that opens a connection to Postgres."""

import os
import select
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Annotated, Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import (
    Connection,
    Engine,
    Identity,
    MetaData,
    event,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.pool import Pool
from sqlalchemy.types import BigInteger, Boolean, DateTime, Text

from workers.connections import forks, places, postgres
from workers.connections.postgres import FAVOUR_INDEXES, READ_ONLY, engine_args, is_pooled
from workers.settings import settings

#: A connection of the driver: beat, ledger and upstreams run their statements on it.
Driver = psycopg.Connection[Any]
#: A connection unused for so long is tried before it is used (seconds).
RESTED = 30.0
#: How long a thread waits for a connection while others use all of them (seconds).
MAX_QUEUED = 30.0


class Base(DeclarativeBase):
    """Every table hangs here; names of keys and indexes are given, so that migrations are stable."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    #: The type of a column that names none, by its annotation.
    type_annotation_map = {
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
        str: Text,
        datetime: DateTime(timezone=True),
    }


#: Key of a row, numbered by the database.
RowId = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")]
#: A time that is the database's clock when the insert gives none.
DefaultNow = Annotated[datetime, mapped_column(server_default=text("clock_timestamp()"))]
#: For RETURNING of an upsert: whether the row was inserted.
IS_NEW = literal_column("xmax = 0", Boolean).label("is_new")


#: Two threads that both make the first engine would lose one of them, with its open connection.
_making = threading.Lock()
os.register_at_fork(after_in_child=lambda: globals().update(_making=threading.Lock()))


def engine() -> Engine:
    """The process's engine; a forked child must call ``reset()`` before its first use."""
    with _making:
        return _engine()


@cache
def _engine() -> Engine:
    whole = places.share()
    return make_engine(settings().libpq_dsn, "watchkeeper", max(1, whole - whole // 2))


@cache
def _short_engine() -> Engine:
    """For short statements of the program's own, each of which commits by itself.

    They want few rows by their keys.  A statement that is prepared while a table is small would read
    all of it, joined by a hash, until somebody analyzes the table: here Postgres prefers indexes.
    """
    made = make_engine(settings().libpq_dsn, "watchkeeper", max(1, places.share() // 2))
    event.listen(made, "connect", _favour_indexes)
    return made


def _favour_indexes(driver: Driver, _: Any) -> None:
    driver.autocommit = True
    # Behind a pooler the session is not ours, and each statement is planned when it is executed.
    if not is_pooled():
        driver.execute(FAVOUR_INDEXES)


def make_engine(url: str, application: str, connections: int | None = None) -> Engine:
    return forks.create_engine(
        **engine_args(url, application),
        # Many threads share few connections: each holds one for a transaction, never during a call.
        pool_size=connections or settings().connections,
        max_overflow=0,
        pool_timeout=MAX_QUEUED,
        pool_use_lifo=True,
        pool_recycle=1800,
    )


@event.listens_for(Pool, "checkin")
def _rests(_: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _prove(driver: Any, record: Any, _: Any) -> None:
    """A connection that has rested long, or has something to say, must answer before it is used.

    An idle one has nothing to read until its server ends it: after a restart of Postgres each is
    replaced before a statement fails on it.
    """
    if not isinstance(driver, psycopg.Connection):
        # A database of somebody else, which `schedule import` reads.
        return
    try:
        prove(driver, record.info.get("rests_since", time.monotonic()))
    except psycopg.Error as error:
        raise DisconnectionError from error


def prove(driver: Driver, rests_since: float) -> None:
    """Raise psycopg.Error when a connection that rests since then (monotonic clock) does not answer."""
    says = select.poll()
    says.register(driver.fileno(), select.POLLIN)
    if time.monotonic() - rests_since < RESTED and not says.poll(0):
        return
    driver.execute("select 1")
    driver.rollback()


def reset(*, close: bool = True) -> None:
    """Forget the engine: in a forked child with ``close=False``, the parent still uses its sockets."""
    with _making:
        for made in (_engine, _short_engine):
            if made.cache_info().currsize:
                if close:
                    # What a thread gives back later would stay open, in a pool that nobody has.
                    event.listen(made().pool, "checkin", lambda _, record: record.close())
                made().dispose(close=close)
                made.cache_clear()
        places.give_back()


_thread = threading.local()


@contextmanager
def counted() -> Iterator[None]:
    _thread.held = getattr(_thread, "held", 0) + 1
    try:
        yield
    except (PoolTimeout, places.NoPlace) as none_free:
        # For the caller as good as a Postgres that answers nobody: its work is handed back.
        why = f": {none_free}" if isinstance(none_free, places.NoPlace) else ""
        busy = psycopg.OperationalError(f"no connection was free{why}")
        raise OperationalError(None, None, busy) from None
    finally:
        _thread.held -= 1


def holds_connection() -> bool:
    """Whether this thread is inside a transaction: no call to an upstream is made in one."""
    return getattr(_thread, "held", 0) > 0


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back on any exception."""
    with counted(), engine().begin() as connection, _translating(connection):
        yield connection


@contextmanager
def driver_transaction() -> Iterator[Driver]:
    with transaction() as connection:
        yield driver(connection)


@contextmanager
def driver_connect() -> Iterator[Driver]:
    """The driver's connection for short statements, which commit one by one."""
    with _making:
        short = _short_engine()
    with counted(), short.connect() as connection, _translating(connection):
        yield driver(connection)


def driver(connection: Connection) -> Driver:
    """The driver's connection below SQLAlchemy's, in the same transaction."""
    below: Driver | None = connection.connection.driver_connection
    if below is None:
        raise InterfaceError(None, None, psycopg.InterfaceError("the connection is closed"))
    return below


#: A column of a statement whose transaction must outlive a crash of Postgres, whatever the server is
#: set to: with synchronous_commit off, a claim that is lost gives its fence to a second worker.
DURABLE = """
case when current_setting('synchronous_commit') = 'off'
     then set_config('synchronous_commit', 'on', true) end as durable
"""


def execute(
    connection: Driver,
    statement: str,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    row_factory: Any = namedtuple_row,
) -> psycopg.Cursor[Any]:
    """Run a statement of the program's own, prepared; its rows are named tuples."""
    cursor = connection.cursor(row_factory=row_factory)
    return cursor.execute(statement, parameters, prepare=True)


def array(values: Iterable[object]) -> str:
    """``values`` as Postgres's array literal: several times cheaper than the driver's lists."""
    return "{" + ",".join(["NULL" if one is None else _quoted(str(one)) for one in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@contextmanager
def _translating(connection: Connection) -> Iterator[None]:
    """Raise errors of the driver as SQLAlchemy's, and give up a connection that was lost."""
    try:
        yield
    except psycopg.Error as error:
        below = connection.connection.driver_connection
        lost = below is None or below.closed or postgres.ends_connection(error)
        if lost:
            connection.invalidate(error)
        raise translated(error, lost=lost) from error


def translated(error: psycopg.Error, *, lost: bool) -> Exception:
    return DBAPIError.instance(None, None, error, psycopg.Error, True, lost)


#: SQLSTATEs of a server that takes no (more) work: a connection is not to be had, or is about to end.
_LOST = ("08", READ_ONLY, "53300", "57P01", "57P02", "57P03")
#: Classes of what passes by itself: deadlocks, resources, locks, cancelled statements, the system.
_PASSING = ("40", "53", "55", "57", "58")


def _sqlstate(error: DBAPIError) -> str | None:
    found: str | None = getattr(error.orig, "sqlstate", None)
    return found


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection was lost, so that the statement may or may not have been executed."""
    state = _sqlstate(error)
    nameless = state is None and isinstance(error, (OperationalError, InterfaceError))
    return error.connection_invalidated or nameless or (state or "").startswith(_LOST)


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later: nothing is wrong with it."""
    return is_lost(error) or (_sqlstate(error) or "").startswith(_PASSING)


@event.listens_for(Engine, "handle_error")
def _hide_parameters(context: Any) -> None:
    """A statement's parameters can hold anything a user typed: they stay out of error texts."""
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.hide_parameters = True


@event.listens_for(Engine, "handle_error")
def _give_up(context: Any) -> None:
    error = context.original_exception
    if isinstance(error, psycopg.Error) and postgres.ends_connection(error):
        context.is_disconnect = True
