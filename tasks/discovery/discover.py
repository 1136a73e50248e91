"""`tasks.discovery.discover`: new tokens from DexScreener's feeds, looked up, filtered, stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from tasks.discovery import seeing, token_profiles
from tasks.discovery.sources import dexscreener
from workers.app import app
from workers.errors import UpstreamError
from workers.kinds import Options
from workers.work import Item, Work

Feed = Literal["boosts_top", "boosts_latest", "profiles", "takeovers"]


class DiscoverOptions(Options):
    """What to look for; the ranges are those of the system this one comes from."""

    chains: list[str] = Field(["solana"], max_length=50, description="Chains; empty: all of them")
    feeds: list[Feed] = Field(["boosts_top", "boosts_latest", "profiles"], min_length=1)
    min_price_change_pct: float = Field(100, ge=0, le=1000, description="24 h price change, percent")
    min_volume_usd: float = Field(50_000, ge=0, description="24 h volume, USD")
    min_liquidity_usd: float = Field(10_000, ge=0, description="Liquidity, USD")
    max_token_age_hours: int = Field(72, ge=1, le=168, description="Age of the main pool, hours")
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
    """One item a token that any feed names; a feed that fails does not stop the others."""
    wanted = set(work.options.chains)
    found: dict[str, Item] = {}
    errors: list[UpstreamError] = []
    for feed in work.options.feeds:
        try:
            candidates = dexscreener.fetch_feed(work.door, feed)
        except UpstreamError as error:
            work.log.warning("feed.failed", feed=feed, error=str(error))
            errors.append(error)
            continue
        for candidate in candidates:
            if wanted and candidate.chain not in wanted:
                continue
            data = {"chain": candidate.chain, "address": candidate.address, "feeds": [], "links": []}
            item = found.setdefault(candidate.key, Item(candidate.key, data))
            item.data["links"] = item.data["links"] or candidate.links
            if feed not in item.data["feeds"]:
                item.data["feeds"].append(feed)
    if errors and len(errors) == len(work.options.feeds):
        raise errors[0]
    return sorted(found.values(), key=lambda item: str(item.data["chain"]))


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 41 found, 6 new, 35 updated, 3 chosen."""
    return ", ".join(f"{counts.get(name, 0)} {name}" for name in ("found", "new", "updated", "chosen"))


@app.task(
    name=__name__,
    options=DiscoverOptions,
    plan=plan,
    summary=summary,
    queue="discovery",
    upstream=dexscreener.UPSTREAM,
    batch_size=90,
    min_every=timedelta(minutes=5),
    max_every=timedelta(days=1),
)
def discover(work: Work[DiscoverOptions]) -> None:
    """Find tokens in DexScreener's feeds, look them up, keep those that pass the filters."""
    look_up(work)


def look_up(work: Work[Any]) -> None:
    """Look up the batch's tokens chain by chain, thirty addresses a call, and store them."""
    now = work.now()
    for chain in sorted({item.data["chain"] for item in work.batch}):
        waiting = [i for i in work.batch if i.state == "waiting" and i.data["chain"] == chain]
        for start in range(0, len(waiting), dexscreener.MOST_ADDRESSES):
            work.check()
            group = waiting[start : start + dexscreener.MOST_ADDRESSES]
            with work.attempt(*group):
                addresses = [item.data["address"] for item in group]
                pairs = dexscreener.fetch_pairs(work.door, chain, addresses)
                found = [seeing.judge(item, pairs, work.options, now) for item in group]
                if work.options.look_at_orders:
                    seeing.ask_for_orders(work.door, found)
                with work.done(*group, found=len(group)) as connection:
                    most = work.options.max_tokens
                    work.count(**seeing.store(connection, work.run_id, found, most, now))
                    if work.options.profile_immediately:
                        token_profiles.ask(
                            connection,
                            work.run_id,
                            minutes=work.options.early_window_minutes,
                            profit=work.options.min_profit_pct,
                        )
