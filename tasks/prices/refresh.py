"""`tasks.prices.refresh`: the latest price and daily bars of every active symbol that needs them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from pydantic import Field
from sqlalchemy import Connection

from tasks.prices import active, bars, fetching, matching, needs, outcomes, quotes, ranges
from tasks.prices.active import ActiveOptions, Wanted
from tasks.prices.bars import Bar
from tasks.prices.fetching import SourceOptions
from tasks.prices.quotes import last_close
from tasks.prices.symbols import Symbol
from tasks.prices.values import Price
from workers.execution import Item, Work, app


class RefreshOptions(SourceOptions, ActiveOptions):
    """Which symbols, from where."""

    extra_symbols: list[Symbol] = Field(
        default_factory=list, max_length=5000, description="These beside watch list and trades"
    )
    max_symbols: int = Field(5000, ge=1, le=5000, description="Most symbols in a run")
    force: bool = Field(False, description="Fetch even what is fresh")


def wanted_symbols(connection: Connection, options: RefreshOptions, now: datetime) -> list[Wanted]:
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
        stored = needs.learn(connection, [one.symbol for one in wanted], now)
    needed = [one for one in wanted if needs.judge(*stored[one.symbol], one.refresh_every, now)]
    if options.force:
        # The longest not asked for first: each comes to its turn, however few a run fetches.
        stale = {one.symbol for one in needed}
        others = [one for one in wanted if one.symbol not in stale]
        needed += sorted(others, key=lambda one: stored[one.symbol][0].confirmed_at or now)
    work.log.info("prices.planned", wanted=len(wanted), needed=len(needed))
    return [
        Item(one.symbol, {"refresh_seconds": one.refresh_every.total_seconds()})
        for one in needed[: options.max_symbols]
    ]


def summary(counts: Mapping[str, int]) -> str:
    if not counts:
        return "0 refreshed, all fresh or out of reach"
    return fetching.summary(counts, "refreshed", "stale", "not_found", "fresh")


@app.task(name=__name__, options=RefreshOptions, plan=plan, summary=summary, **fetching.KIND)
def refresh(work: Work[RefreshOptions]) -> None:
    """Refresh the price and daily bars of every active symbol that needs it."""
    fetching.each(work, refresh_one)


def refresh_one(work: Work[RefreshOptions], item: Item) -> None:
    symbol, now = item.key, work.now()
    with work.read() as connection:
        known, calendar = needs.learn(connection, [symbol], now)[symbol]
    # Asked again: the batch may have waited hours for a quota, or another run has refreshed the symbol.
    refresh_every = timedelta(seconds=item.data.get("refresh_seconds", 0))
    need = "bars" if work.options.force else needs.judge(known, calendar, refresh_every, now)
    if need is None:
        with work.done(item, fresh=1) as connection:
            if known.rests_until is None:
                detail = "another run was here meanwhile"
                outcomes.put(connection, work.run_id, symbol, "ok", detail=detail)
        return
    order = work.options.order
    if need == "price":
        source, price = fetching.fetch_price(work, item, order, now.date())
        store(work, source, item, price, [], None)
        return
    source, found = fetching.fetch_bars(work, item, order, None, now.date())
    bars_ = ranges.final(found, calendar, now)
    store(work, source, item, last_close(symbol, found), bars_, calendar.expected(now))


def store(
    work: Work[RefreshOptions],
    source: str,
    item: Item,
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
        outcome, detail = "ok", None
        if session is not None and (latest is None or latest < session):
            work.count(stale=1)
            outcome = "stale"
            detail = f"latest is {latest}, the last completed session is {session}"
        outcomes.put(connection, work.run_id, symbol, outcome, source=source, detail=detail)
