"""`tasks.discovery.surveil`: a discovery that also refreshes known tokens."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from pydantic import Field

from tasks.discovery import discover, lookup, tokens
from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.sources import dexscreener
from tasks.discovery.watch import WATCH
from workers.execution import Item, Work, app


class SurveilOptions(DiscoverOptions):
    """Options of a discovery, and which known tokens to refresh."""

    max_known: int | None = Field(
        None, ge=0, le=1_000_000, description="Most known tokens, longest unseen first; null: all"
    )
    known_days: int = Field(
        30, ge=1, le=3650, description="Known tokens that lived in so many days: see Surveillance"
    )


def plan(work: Work[SurveilOptions]) -> Iterable[Item]:
    """Candidates of the feeds, then living tokens, the one checked longest ago first.

    Raises a feed's UpstreamError when one failed and there is no token at all.
    """
    feeds = discover.read_feeds(work)
    items = {item.key: item for item in feeds.items}
    options = work.options
    since = work.now() - timedelta(days=options.known_days)
    with work.read() as connection:
        for row in tokens.stalest(
            connection, options.max_known, since=since, volume=options.min_volume_usd
        ):
            key = f"{row.chain}:{row.address_key}"
            data = {"chain": row.chain, "address": row.address, "feeds": []}
            items.setdefault(key, Item(key, data))
    return discover.with_remarks(work, list(items.values()), feeds)


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 341 checked, 6 new; no answer from profiles."""
    checked = f"{counts.get('found', 0)} checked, {counts.get('new', 0)} new"
    return checked + discover.remarks(counts)


@app.task(
    name=__name__,
    options=SurveilOptions,
    plan=plan,
    summary=summary,
    queue=WATCH.queue,
    upstream=dexscreener.UPSTREAM,
    batch_size=90,
    in_flight=3,
    allowed_every=tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8)),
)
def surveil(work: Work[SurveilOptions]) -> None:
    """Discover tokens and refresh those that still live, the one checked longest ago first."""
    lookup.look_up(work)
