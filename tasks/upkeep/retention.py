"""`tasks.upkeep.retention`: deletes what is old, a few rows at a time, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import Field

from tasks.upkeep.rules import RULES, cutoff
from workers.app import app
from workers.execution.work import Item, Work
from workers.ledger.kinds import Options


class RetentionOptions(Options):
    """How many days each kind of row is kept; see `rules` for what exactly goes."""

    run_days: int = Field(30, ge=1, le=3650, description="Runs; a schedule's newest always stays")
    failed_run_days: int = Field(
        90, ge=1, le=3650, description="Failed and partial runs, outcomes, sent notices"
    )
    permit_days: int = Field(60, ge=32, le=3650, description="Calls; no quota looks back 32 days")
    change_days: int = Field(
        365, ge=1, le=3650, description="Who changed which schedule; matches, incidents"
    )
    snapshot_days: int = Field(14, ge=1, le=3650, description="Token values; then the last a day")
    old_snapshot_days: int = Field(365, ge=1, le=3650, description="Last token values of each day")
    token_days: int = Field(
        90, ge=1, le=3650, description="Tokens, pools: neither in a feed nor found since"
    )
    listing_days: int = Field(365, ge=1, le=3650, description="Ads not seen since")
    wallet_days: int = Field(365, ge=1, le=3650, description="Wallets not seen early since")
    quote_days: int = Field(365, ge=1, le=3650, description="Latest prices nobody confirmed since")
    bar_days: int = Field(400, ge=1, le=36_500, description="Bars of all sources; then one source")
    old_bar_days: int = Field(7300, ge=30, le=36_500, description="Bars of one source")
    slice_rows: int = Field(500, ge=1, le=5000, description="Rows deleted by one transaction")


def plan(_work: Work[RetentionOptions]) -> Iterable[Item]:
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
def retention(work: Work[RetentionOptions]) -> None:
    """Delete rows that are older than each table keeps them."""
    now = work.now()
    for item in work.items():
        with work.attempt(item):
            clear(work, item, now)


def clear(work: Work[RetentionOptions], item: Item, now: datetime) -> None:
    """Follow one rule to its end; what is deleted stays deleted when the run stops on the way."""
    option, delete = RULES[item.key]
    before = cutoff(now, getattr(work.options, option))
    limit = work.options.slice_rows
    deleted = limit
    while deleted == limit:
        work.check()
        with work.save(item) as connection:
            deleted = delete(connection, before, limit)
            work.count(deleted=deleted)
    with work.done(item):
        pass
