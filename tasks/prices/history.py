"""`tasks.prices.history`: daily bars of named symbols over a range of days, revisions included."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from tasks.prices import fetching, ranges
from tasks.prices.ranges import RangeOptions
from tasks.prices.symbols import Symbol
from workers.execution import Item, Work, app


class HistoryOptions(RangeOptions):
    """Which symbols, which days, from where."""

    symbols: list[Symbol] = Field(min_length=1, max_length=5000, description="Symbols to fetch")


def plan(work: Work[HistoryOptions]) -> Iterable[Item]:
    fetching.require_ready(work.options.order)
    span = ranges.span_of(work)
    return [ranges.item_of(symbol, span) for symbol in dict.fromkeys(work.options.symbols)]


def summary(counts: Mapping[str, int]) -> str:
    if not counts:
        return "nothing to fetch"
    return fetching.summary(counts, "fetched", "incomplete", "not_found", "closed")


@app.task(name=__name__, options=HistoryOptions, plan=plan, summary=summary, **fetching.KIND)
def history(work: Work[HistoryOptions]) -> None:
    """Fetch daily bars of the named symbols over a range of days."""
    fetching.each(work, ranges.fetch_item)
