"""`tasks.upkeep.retention`: deletes old rows, a limited number in each transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, create_model

from tasks.upkeep.rules import DAYS, RULES
from workers.app import app
from workers.execution.work import Item, Work
from workers.ledger.kinds import Options


class _SliceOptions(Options):
    """How many days each kind of row is kept; `rules` says which rows each option is about."""

    slice_rows: int = Field(500, ge=1, le=5000, description="Rows deleted by one transaction")


_FIELDS: dict[str, Any] = {
    name: (int, Field(days.default, ge=days.minimum, le=days.maximum, description=days.description))
    for name, days in DAYS.items()
}
RetentionOptions = create_model("RetentionOptions", __base__=_SliceOptions, **_FIELDS)


def plan(_work: Work[Any]) -> Iterable[Item]:
    """One item a rule."""
    return [Item(name) for name in RULES]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 1,204 rows deleted."""
    return f"{counts.get('deleted', 0):,} rows deleted"


@app.task(
    name=__name__,
    options=RetentionOptions,
    plan=plan,
    summary=summary,
    queue="upkeep",
    batch_size=100,
    min_every=timedelta(minutes=10),
)
def retention(work: Work[Any]) -> None:
    """Delete rows that are older than their table keeps them."""
    now = work.now()
    for item in work.items():
        with work.attempt(item):
            clear(work, item, now)


def clear(work: Work[Any], item: Item, now: datetime) -> None:
    """Delete by one rule until nothing old is left; each slice is committed."""
    option, delete = RULES[item.key]
    before = now - timedelta(days=getattr(work.options, option))
    limit = work.options.slice_rows
    deleted = limit
    while deleted == limit:
        work.check()
        with work.save(item) as connection:
            deleted = delete(connection, before, limit)
            work.count(deleted=deleted)
    with work.done(item):
        pass
