"""`tasks.discovery.surveil`: a discovery, and a fresh look at every token already known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from pydantic import Field

from tasks.discovery import discover, tokens
from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.sources import dexscreener
from workers.app import app
from workers.work import Item, Work


class SurveilOptions(DiscoverOptions):
    """The same as for a discovery, and how many known tokens to look at."""

    max_known: int = Field(3000, ge=0, le=100_000, description="Known tokens, longest unseen first")


def plan(work: Work[SurveilOptions]) -> Iterable[Item]:
    """Candidates of the feeds, then known tokens, the one checked longest ago first."""
    items = {item.key: item for item in discover.plan(work)}
    with work.read() as connection:
        for row in tokens.stalest(connection, work.options.max_known):
            key = f"{row.chain}:{row.address_key}"
            data = {"chain": row.chain, "address": row.address, "feeds": []}
            items.setdefault(key, Item(key, data))
    return items.values()


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 341 checked, 6 new."""
    return f"{counts.get('found', 0)} checked, {counts.get('new', 0)} new"


@app.task(
    name=__name__,
    options=SurveilOptions,
    plan=plan,
    summary=summary,
    queue="discovery",
    upstream=dexscreener.UPSTREAM,
    batch_size=90,
    allowed_every=tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8)),
)
def surveil(work: Work[SurveilOptions]) -> None:
    """Discover tokens and refresh every known one, the one checked longest ago first."""
    discover.look_up(work)
