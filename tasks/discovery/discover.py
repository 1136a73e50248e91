"""`tasks.discovery.discover`: new tokens from DexScreener's feeds, looked up, filtered, stored."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from tasks.discovery import lookup, tokens
from tasks.discovery.sources import dexscreener
from tasks.discovery.watch import WATCH
from workers.errors import UpstreamError
from workers.execution import Item, Work, app
from workers.ledger import NotEmpty, Options

#: Beginnings of the counts that a summary ends with.
NO_ANSWER, UNKNOWN_CHAIN, NAMED_CHAIN = "no_answer_from_", "unknown_chain_", "feeds_name_"

Feed = Literal["boosts_top", "boosts_latest", "profiles", "takeovers"]


class DiscoverOptions(Options):
    """Feeds, filters and limits."""

    chains: list[NotEmpty] = Field(["solana"], max_length=50, description="Chains; empty: all of them")
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
    include: list[NotEmpty] = Field(
        [], max_length=1000, description="Only these addresses or symbols; empty: any"
    )
    exclude: list[NotEmpty] = Field([], max_length=1000, description="Never these addresses or symbols")
    look_at_orders: bool = Field(
        False, description="Ask what was paid for each chosen token: a call more a token"
    )


@dataclass(slots=True)
class Feeds:
    """What the feeds answered: tokens of the chains asked for, all chains that they name, errors."""

    items: list[Item]
    chains: set[str]
    errors: dict[str, UpstreamError]


def plan(work: Work[Any]) -> Iterable[Item]:
    """One item a token; raises the feed's UpstreamError when one failed and none names a token."""
    feeds = read_feeds(work)
    return with_remarks(work, feeds.items, feeds)


def read_feeds(work: Work[Any]) -> Feeds:
    wanted = chains_of(work.options)
    found: dict[str, Item] = {}
    feeds = Feeds([], set(), {})
    for feed in dict.fromkeys(work.options.feeds):
        try:
            candidates = named(work, feed)
        except UpstreamError as error:
            work.log.warning("feed.failed", feed=feed, error=str(error))
            feeds.errors[feed] = error
            continue
        for candidate in candidates:
            feeds.chains.add(candidate.chain)
            if wanted and candidate.chain not in wanted:
                continue
            data = {"chain": candidate.chain, "address": candidate.address, "feeds": [], "links": []}
            item = found.setdefault(candidate.key, Item(candidate.key, data))
            item.data["links"] = item.data["links"] or candidate.links
            _add_boosts(item, candidate)
            if feed not in item.data["feeds"]:
                item.data["feeds"].append(feed)
    feeds.items = sorted(found.values(), key=lambda item: str(item.data["chain"]))
    return feeds


def chains_of(options: DiscoverOptions) -> set[str]:
    return {chain.strip().lower() for chain in options.chains}


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


def with_remarks(work: Work[Any], items: list[Item], feeds: Feeds) -> list[Item]:
    """The items, of which the first counts for the summary what the feeds did not answer.

    Raises a feed's UpstreamError when one failed and there is no token at all.
    """
    if feeds.errors and not items:
        raise next(iter(feeds.errors.values()))
    remarks = [f"{NO_ANSWER}{feed}" for feed in feeds.errors]
    if strange := [] if feeds.errors else _never_found(work, feeds.chains):
        remarks += [f"{UNKNOWN_CHAIN}{chain}" for chain in strange]
        remarks += [f"{NAMED_CHAIN}{chain}" for chain in sorted(feeds.chains)]
    if not remarks:
        return items
    # A run without any token has an item to count them with, which is done.
    items = items or [Item("feeds", state="done")]
    items[0].counts |= dict.fromkeys(remarks, 1)
    return items


def _never_found(work: Work[Any], named_now: set[str]) -> list[str]:
    """Chains asked for of which no feed has ever named a token: probably written wrong."""
    missing = chains_of(work.options) - named_now
    if not missing or not named_now:
        return []
    with work.read() as connection:
        return sorted(missing - tokens.known_chains(connection, missing))


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 41 found, 6 new, 35 updated, 3 chosen; no answer from profiles."""
    names = ("found", "new", "updated", "chosen")
    return ", ".join(f"{counts.get(name, 0)} {name}" for name in names) + remarks(counts)


def remarks(counts: Mapping[str, int]) -> str:
    """The end of a summary: feeds that failed, and chains that are not known, if any."""
    text = ""
    if feeds := [feed for feed in dexscreener.FEEDS if counts.get(f"{NO_ANSWER}{feed}")]:
        text += f"; no answer from {', '.join(feeds)}"
    if chains := _ends(counts, UNKNOWN_CHAIN):
        text += f"; no token of {chains} is known: the feeds name {_ends(counts, NAMED_CHAIN)}"
    return text


def _ends(counts: Mapping[str, int], start: str) -> str:
    return ", ".join(sorted(name.removeprefix(start) for name in counts if name.startswith(start)))


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
