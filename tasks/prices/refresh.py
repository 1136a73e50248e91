"""`tasks.prices.refresh`: the latest price and daily bars of every active symbol that needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from pydantic import Field
from sqlalchemy import Connection

from tasks.prices import active, bars, fetching, matching, needs, outcomes, quotes, ranges
from tasks.prices.active import Wanted
from tasks.prices.bars import Bar
from tasks.prices.fetching import SourceOptions
from tasks.prices.quotes import Price
from tasks.prices.sources import alpha_vantage
from tasks.prices.symbols import Symbol
from workers.app import app
from workers.errors import NotFound, QuotaSpent
from workers.execution.work import Item, Work


class RefreshOptions(SourceOptions):
    """Which symbols, from where."""

    symbols: list[Symbol] | None = Field(
        None, max_length=5000, description="Only these; left out: watch list and recent trades"
    )
    extra_symbols: list[Symbol] = Field(
        default_factory=list, max_length=5000, description="These beside watch list and trades"
    )
    active_stock_days: int = Field(30, ge=1, le=3650, description="Traded in the last so many days")
    max_symbols: int = Field(5000, ge=1, le=5000, description="Most symbols in a run")
    force: bool = Field(False, description="Fetch even what is fresh")


def wanted_symbols(connection: Connection, options: RefreshOptions, now: datetime) -> list[Wanted]:
    """What the options ask to keep fresh, most urgent first."""
    if options.symbols is not None:
        named = dict.fromkeys(options.symbols)
        return [Wanted(symbol, active.OWN_PRIORITY, timedelta(0)) for symbol in named]
    return active.select(connection, options.extra_symbols, options.active_stock_days, now)


def plan(work: Work[RefreshOptions]) -> Iterable[Item]:
    """One item a symbol that needs a call, most urgent first."""
    options, now = work.options, work.now()
    fetching.require_ready(options.order)
    with work.read() as connection:
        wanted = wanted_symbols(connection, options, now)
        knowledge = needs.learn(connection, [one.symbol for one in wanted], now)
    needed = [
        Item(one.symbol, {"refresh_seconds": one.refresh_every.total_seconds()})
        for one in wanted
        if options.force or knowledge.need(one.symbol, one.refresh_every, now)
    ]
    work.log.info("prices.planned", wanted=len(wanted), needed=len(needed))
    return needed[: options.max_symbols]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 5 refreshed, 12 new bars, 1 not found."""
    if not counts:
        return "0 refreshed, all fresh or out of reach"
    text = f"{counts.get('refreshed', 0)} refreshed, {counts.get('bars', 0)} new bars"
    for name in ("stale", "not_found", "fresh"):
        text += f", {counts[name]} {name.replace('_', ' ')}" if counts.get(name) else ""
    return text


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
    fetching.each(work, refresh_one)


def refresh_one(work: Work[RefreshOptions], item: Item) -> None:
    """Ask the sources for one symbol and store what they have, with its outcome."""
    symbol, now, order = item.key, work.now(), work.options.order
    with work.read() as connection:
        knowledge = needs.learn(connection, [symbol], now)
    calendar = knowledge.calendar(symbol)
    # Judged again: the batch may have waited hours for a quota, or another run was here.
    refresh_every = timedelta(seconds=item.data.get("refresh_seconds", 0))
    need = "bars" if work.options.force else knowledge.need(symbol, refresh_every, now)
    if need is None:
        with work.done(item, fresh=1) as connection:
            if knowledge.known[symbol].rests_since is None:
                detail = "another run was here meanwhile"
                outcomes.put(connection, work.run_id, symbol, "ok", detail=detail)
        return
    try:
        source, price, found = fetch(work, item, need, now)
    except NotFound as error:
        # Not an outage: the answer is known, so the item is done.
        with work.done(item, not_found=1) as connection:
            outcomes.put(connection, work.run_id, symbol, "not_found", detail=error.detail)
        return
    except QuotaSpent as error:
        if len(order) == 1:
            raise
        # Another source may still serve the next symbol, so this one alone waits for the next run.
        work.defer(item, reason=str(error))
        return
    session = calendar.last_completed(now) if need == "bars" else None
    store(work, item, source, price, ranges.final(found, calendar, now), session)


def fetch(
    work: Work[RefreshOptions], item: Item, need: str, now: datetime
) -> tuple[str, Price, list[Bar]]:
    """One call: bars with the latest price, or the price alone."""
    order, today = work.options.order, now.date()
    if need == "price":
        source, price = fetching.fetch_price(work, item, order, today)
        return source, price, []
    source, found = fetching.fetch_bars(work, item, order, None, today)
    last = found[-1]
    before = found[-2].close if len(found) > 1 else None
    return source, Price(item.key, last.close, last.date, last.volume, before), found


def store(
    work: Work[RefreshOptions],
    item: Item,
    source: str,
    price: Price,
    found: list[Bar],
    session: date | None,
) -> None:
    """Write quote, bars and outcome; stale when ``session`` was asked for and is still missing."""
    symbol = item.key
    with work.done(item, refreshed=1) as connection:
        if quotes.upsert(connection, source, price):
            matched, _ = matching.judge(connection, work.run_id, source, price)
            work.count(matches=matched)
        work.count(bars=bars.upsert(connection, symbol, source, found))
        latest = bars.latest(connection, [symbol]).get(symbol)
        if session is not None and (latest is None or latest < session):
            work.count(stale=1)
            detail = f"latest is {latest}, the last completed session is {session}"
            outcomes.put(connection, work.run_id, symbol, "stale", source=source, detail=detail)
        else:
            outcomes.put(connection, work.run_id, symbol, "ok", source=source)
