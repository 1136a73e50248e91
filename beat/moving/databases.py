"""The database of another scheduler, in any that SQLAlchemy reads."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from beat.moving.found import Unreadable


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to read from; Unreadable says why when there is none, or no such table."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise Unreadable(str(error).partition("\n")[0]) from None
    finally:
        engine.dispose()
