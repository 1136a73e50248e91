"""`tasks.discovery.discover`: new tokens from DexScreener's feeds, looked up, filtered, stored."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from tasks.discovery import lookup
from tasks.discovery.sources import dexscreener
from tasks.discovery.watch import WATCH
from workers.errors import UpstreamError
from workers.execution import Item, Work, app
from workers.ledger import Options

Feed = Literal["boosts_top", "boosts_latest", "profiles", "takeovers"]


class DiscoverOptions(Options):
    """Feeds, filters and limits."""

    chains: list[str] = Field(["solana"], max_length=50, description="Chains; empty: all of them")
    feeds: list[Feed] = Field(
        ["boosts_top", "boosts_latest", "profiles", "takeovers"], min_length=1, description="Feeds"
    )
    min_price_change_pct: float = Field(100, ge=0, le=1000, description="24 h price change, percent")
    min_volume_usd: float = Field(50_000, ge=0, description="24 h volume, USD")
    min_liquidity_usd: float = Field(10_000, ge=0, description="Liquidity, USD")
    max_token_age_hours: int = Field(72, ge=1, le=168, description="Age of the oldest pool, hours")
    early_window_minutes: int = Field(30, ge=5, le=120, description="Early buyers: minutes from start")
    min_profit_pct: float = Field(50, ge=0, le=500, description="Early buyers: least gain, percent")
    max_tokens: int = Field(20, ge=1, le=100, description="Most tokens chosen in a run")
    profile_immediately: bool = Field(True, description="Look at early buyers after the run")
    include: list[str] = Field(
        [], max_length=1000, description="Only these addresses or symbols; empty: any"
    )
    exclude: list[str] = Field([], max_length=1000, description="Never these addresses or symbols")
    look_at_orders: bool = Field(
        False, description="Ask what was paid for each chosen token: a call more a token"
    )


def plan(work: Work[Any]) -> Iterable[Item]:
    """One item a token; raises the feed's UpstreamError when one failed and none names a token."""
    found, errors = candidates(work)
    if errors and not found:
        raise next(iter(errors.values()))
    return with_failed(found, errors)


def candidates(work: Work[Any]) -> tuple[list[Item], dict[str, UpstreamError]]:
    wanted = {chain.strip().lower() for chain in work.options.chains}
    found: dict[str, Item] = {}
    errors: dict[str, UpstreamError] = {}
    for feed in dict.fromkeys(work.options.feeds):
        try:
            candidates = named(work, feed)
        except UpstreamError as error:
            work.log.warning("feed.failed", feed=feed, error=str(error))
            errors[feed] = error
            continue
        for candidate in candidates:
            if wanted and candidate.chain not in wanted:
                continue
            data = {"chain": candidate.chain, "address": candidate.address, "feeds": [], "links": []}
            item = found.setdefault(candidate.key, Item(candidate.key, data))
            item.data["links"] = item.data["links"] or candidate.links
            _add_boosts(item, candidate)
            if feed not in item.data["feeds"]:
                item.data["feeds"].append(feed)
    return sorted(found.values(), key=lambda item: str(item.data["chain"])), errors


def _add_boosts(item: Item, candidate: dexscreener.Candidate) -> None:
    """Of several rows of a token the first amount (the newest) and the greatest total count."""
    if candidate.boost_amount is not None:
        item.data.setdefault("boost_amount", candidate.boost_amount)
    if candidate.boost_total is not None:
        item.data["boost_total"] = max(candidate.boost_total, item.data.get("boost_total", 0))


def named(work: Work[Any], feed: str) -> list[dexscreener.Candidate]:
    rows = work.memoize(
        feed, lambda: [asdict(one) for one in dexscreener.fetch_feed(work.client, feed)]
    )
    return [dexscreener.Candidate(**row) for row in rows]


def with_failed(items: list[Item], failed: Iterable[str]) -> list[Item]:
    """The items, of which the first counts the feeds that failed, for the run's summary."""
    if items:
        items[0].counts |= {f"no_answer_from_{feed}": 1 for feed in failed}
    return items


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 41 found, 6 new, 35 updated, 3 chosen; no answer from profiles."""
    names = ("found", "new", "updated", "chosen")
    return ", ".join(f"{counts.get(name, 0)} {name}" for name in names) + silent(counts)


def silent(counts: Mapping[str, int]) -> str:
    """The end of a summary: the feeds that failed, if any."""
    feeds = [feed for feed in dexscreener.FEEDS if counts.get(f"no_answer_from_{feed}")]
    return f"; no answer from {', '.join(feeds)}" if feeds else ""


@app.task(
    name=__name__,
    options=DiscoverOptions,
    plan=plan,
    summary=summary,
    queue=WATCH.queue,
    upstream=dexscreener.UPSTREAM,
    batch_size=90,
    in_flight=3,
    min_every=timedelta(minutes=5),
    max_every=timedelta(days=1),
)
def discover(work: Work[DiscoverOptions]) -> None:
    """Find tokens in DexScreener's feeds, look them up, keep those that pass the filters."""
    lookup.look_up(work)
