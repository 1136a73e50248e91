"""`tasks.prices.refresh`: the latest price and daily bars of every active symbol that needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection

from tasks.prices import bars, outcomes, quotes, watchlist
from tasks.prices.bars import Bar
from tasks.prices.quotes import Price
from tasks.prices.sources import alpha_vantage, replay
from tasks.prices.symbols import Symbol, market_of
from workers import market_sessions
from workers.app import app
from workers.errors import NotFound, UpstreamError
from workers.kinds import Options
from workers.upstream import Door
from workers.work import Item, Work

Source = Literal["alpha_vantage", "replay"]


class RefreshOptions(Options):
    """Which symbols, from where."""

    symbols: list[Symbol] | None = Field(
        None, max_length=5000, description="Only these; left out: watch list and recent trades"
    )
    active_stock_days: int = Field(30, ge=1, le=3650, description="Traded in the last so many days")
    max_symbols: int = Field(5000, ge=1, le=5000, description="Most symbols in a run")
    source: Source = Field("alpha_vantage", description="Where prices come from")
    force: bool = Field(False, description="Fetch even what is fresh")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source has of one symbol."""

    price: Price
    bars: list[Bar]


def is_needed(connection: Connection, symbol: str, refresh_every: timedelta, now: datetime) -> bool:
    """Whether the symbol is worth a call: its last completed session is not stored, or it is old.

    Old counts only while its market is open; what no calendar knows is always worth a call.
    """
    mic = market_of(symbol)
    session = market_sessions.last_completed(connection, mic, now)
    latest = bars.latest(connection, symbol)
    if session is None or latest is None or latest < session:
        return True
    if not market_sessions.is_open(connection, mic, now):
        return False
    confirmed = quotes.fetched_at(connection, symbol)
    return confirmed is None or now - confirmed >= refresh_every


def plan(work: Work[RefreshOptions]) -> Iterable[Item]:
    """One item a symbol that needs a call, most urgent first."""
    options, now = work.options, work.now()
    with work.read() as connection:
        if options.symbols is not None:
            wanted = dict.fromkeys(options.symbols, timedelta(0))
        else:
            wanted = watchlist.active_symbols(connection, options.active_stock_days)
        needed = [
            Item(symbol)
            for symbol, refresh_every in wanted.items()
            if options.force or is_needed(connection, symbol, refresh_every, now)
        ]
    work.log.info("prices.planned", wanted=len(wanted), needed=len(needed))
    return needed[: options.max_symbols]


def fetch(door: Door, source: Source, symbol: str) -> Finding:
    """Bars of the symbol with its latest price, in one call."""
    found = (
        alpha_vantage.fetch_bars(door, symbol)
        if source == "alpha_vantage"
        else replay.fetch_bars(symbol)
    )
    if not found:
        raise NotFound(source, f"it has no bars of {symbol}")
    last = found[-1]
    return Finding(Price(symbol, last.close, last.date, last.volume), found)


def store(connection: Connection, source: str, finding: Finding) -> int:
    """Write quote and bars; returns how many bars are new or revised."""
    symbol = finding.price.symbol
    quotes.upsert(connection, symbol, source, finding.price)
    return bars.upsert(connection, symbol, source, finding.bars)


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 5 refreshed, 12 new bars."""
    if not counts:
        return "everything is fresh"
    text = f"{counts.get('refreshed', 0)} refreshed, {counts.get('bars', 0)} new bars"
    return text + (f", {counts['not_found']} not found" if counts.get("not_found") else "")


@app.task(
    name=__name__,
    options=RefreshOptions,
    plan=plan,
    summary=summary,
    queue="prices",
    upstream=alpha_vantage.UPSTREAM,
    batch_size=5,
    min_every=timedelta(minutes=1),
)
def refresh(work: Work[RefreshOptions]) -> None:
    """Refresh the price and daily bars of every active symbol that needs it."""
    source = work.options.source
    for item in work.items():
        with work.attempt(item):
            try:
                finding = fetch(work.door, source, item.key)
            except NotFound as error:
                # Not an outage: the answer is known, so the item is done.
                with work.done(item, not_found=1) as connection:
                    outcomes.put(connection, work.run_id, item.key, "not_found", detail=error.detail)
                continue
            except UpstreamError as error:
                work.log.warning("price.failed", symbol=item.key, error=str(error))
                raise
            with work.done(item, refreshed=1) as connection:
                work.count(bars=store(connection, source, finding))
                outcomes.put(connection, work.run_id, item.key, "ok", source=source)
