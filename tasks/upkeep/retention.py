"""`tasks.upkeep.retention`: makes partitions ahead, drops old ones, deletes old rows of other tables.

Each transaction makes or drops one partition, or deletes a limited number of rows.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from pydantic import Field, create_model
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tasks.upkeep.retention_rules import DAYS, RULES
from tasks.watches import partitions
from tasks.watches.watch import Slice
from workers.execution import Item, Work, app, count_words
from workers.ledger import Options

T = TypeVar("T")

#: The item that makes partitions; the others are names of rules.
AHEAD = "partitions ahead"
#: A lock that a partition needs is tried for so often, with so long a pause between (seconds).
TRIES, PAUSE = 60, 1.0


class _SliceOptions(Options):
    """How many days each kind of row is kept; `rules` says which rows each option is about."""

    slice_rows: int = Field(500, ge=1, le=5000, description="Rows deleted by one transaction")


_FIELDS: dict[str, Any] = {
    name: (int, Field(days.default, ge=days.minimum, le=days.maximum, description=days.description))
    for name, days in DAYS.items()
}
RetentionOptions = create_model("RetentionOptions", __base__=_SliceOptions, **_FIELDS)


def plan(_work: Work[Any]) -> Iterable[Item]:
    return [Item(AHEAD), *(Item(name) for name in RULES)]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 1,204 rows deleted."""
    deleted = counts.get("deleted", 0)
    return f"{count_words(deleted, 'row')} deleted" if deleted else "nothing to delete"


@app.task(
    name=__name__,
    options=RetentionOptions,
    plan=plan,
    summary=summary,
    batch_size=100,
    min_every=timedelta(minutes=10),
)
def retention(work: Work[Any]) -> None:
    """Delete rows that are older than their table keeps them."""
    now = work.now()
    for item in work.items():
        with work.attempt(item):
            if item.key == AHEAD:
                make_partitions(work, item)
            else:
                clear(work, item, now)


def clear(work: Work[Any], item: Item, now: datetime) -> None:
    """Delete by one rule until nothing old is left; each slice is committed."""
    option, delete = RULES[item.key]
    before = now - timedelta(days=getattr(work.options, option))
    asked = Slice(before, work.options.slice_rows)

    def one_slice(connection: Connection) -> int:
        deleted = delete(connection, asked)
        work.count(deleted=deleted)
        return deleted

    while _saved(work, item, one_slice) >= asked.limit:
        pass
    with work.done(item):
        pass


def make_partitions(work: Work[Any], item: Item) -> None:
    with work.read() as connection:
        tables = partitions.names(connection)

    for table in tables:
        while _saved(work, item, partial(partitions.make, table=table)):
            pass
    with work.done(item):
        pass


def _saved(work: Work[Any], item: Item, act: Callable[[Connection], T]) -> T:
    """``act`` in a transaction of its own, again while somebody else holds a lock that it needs."""
    for left in reversed(range(TRIES)):
        work.check()
        try:
            with work.save(item) as connection:
                return act(connection)
        except DBAPIError as error:
            if not left or not partitions.is_locked(error):
                raise
            threading.Event().wait(PAUSE)
    raise AssertionError("the last try returns or raises")
