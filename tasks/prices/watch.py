"""Quotes: what the price tasks find, as rules, notices, retention and the sandbox know it."""

from typing import Any

from tasks.prices.pages import PAGES
from tasks.prices.values import Price
from tasks.watches.deletes import rows, whole_partitions
from tasks.watches.watch import (
    NUMBER,
    Days,
    Field,
    Imitation,
    Seed,
    Watch,
    drop_fields,
    price_drop,
)

_ROWS = """
select q.*, clock_timestamp() as now from quote q
 where (cast(:span as interval) is null or q.fetched_at > clock_timestamp() - cast(:span as interval))
   and (cast(:key as text) is null or q.symbol = upper(:key))
 order by q.symbol
"""


def fields_of(price: Price, source: str) -> dict[str, Any]:
    return {
        "symbol": price.symbol,
        "source": source,
        "price": price.price,
        "previous_close": price.previous_close,
        "volume": price.volume,
        "price_change": price.change_percent,
        **price_drop(price.previous_close, price.price),
    }


def _fields_of_row(row: Any) -> dict[str, Any]:
    price = Price(row.symbol, row.price, row.session_date, row.volume, row.previous_close)
    return fields_of(price, row.source)


_OLD_BAR = "bar_date < cast(:before as date)"
#: Of a session's bars the one of the first source by name stays.
_SPARE_BAR = f"""{_OLD_BAR} and exists (
    select from price_bar first where first.symbol = price_bar.symbol
       and first.bar_date = price_bar.bar_date and first.source < price_bar.source)"""
_BAR_KEY = "symbol, bar_date, source"

WATCH = Watch(
    subject="quote",
    plural="quotes",
    queue="prices",
    fields={
        "symbol": Field(),
        "source": Field(),
        "price": Field(NUMBER, above=0),
        "previous_close": Field(NUMBER, above=0),
        "volume": Field(NUMBER, "Volume", minimum=0),
        "price_change": Field(NUMBER),
        **drop_fields(),
    },
    rows=_ROWS,
    fields_of=_fields_of_row,
    title_of=lambda row: str(row.symbol),
    key="symbol",
    pages=PAGES,
    columns=("price",),
    tables={"watchlist_item": "insert update delete", "transaction": "insert update delete"},
    days={
        "quote_days": Days(365, "Latest prices nobody confirmed since"),
        "bar_days": Days(400, "Bars of all sources; then one source", maximum=36_500),
        "old_bar_days": Days(7300, "Bars of one source", minimum=30, maximum=36_500),
    },
    retention={
        "outcomes": ("failed_run_days", whole_partitions("price_outcome")),
        "quotes": ("quote_days", rows("quote", "symbol, source", "fetched_at < :before", "fetched_at")),
        "bars": ("bar_days", rows("price_bar", _BAR_KEY, _SPARE_BAR)),
        "old bars": ("old_bar_days", rows("price_bar", _BAR_KEY, _OLD_BAR, "bar_date")),
    },
    followed="select symbol from watchlist_item where active",
    commands={"prices": "tasks.prices.commands:prices"},
    imitations=(
        Imitation(
            "alpha_vantage",
            "sandbox.upstreams.alpha_vantage",
            18082,
            # The imitation allows 75 calls a minute where a free key has 25 a day.
            (
                "update quota set calls = 86400 where upstream = 'alpha_vantage'",
                "insert into quota (upstream, per, calls) values ('alpha_vantage', '1 minute', 60)",
                "update upstream set spacing = '0' where name = 'alpha_vantage'",
            ),
        ),
    ),
    seeds=(
        Seed(
            "prices-demo",
            "At most five prices a minute",
            "tasks.prices.refresh",
            every="1 minute",
            options={"max_symbols": 5, "force": True},
        ),
    ),
    demo=(
        """insert into watchlist_item (symbol, priority, note)
           values ('IBM', 50, 'recorded'), ('FB', 50, 'recorded'), ('GOOG', 50, 'recorded')
               on conflict do nothing""",
    ),
)
