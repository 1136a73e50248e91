"""What the console's panels say of prices, exchange by exchange."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tasks.prices.pages import PAGES
from tasks.watches import found
from workers.db import transaction


def rows(connection: Connection, number: int, key: str | None = None) -> list[dict[str, Any]]:
    """Of the overview, or of one symbol's panel."""
    panels = PAGES.overview if key is None else PAGES.details
    ((_, listed),) = found.shown(connection, panels[number : number + 1], key=key)
    return listed


def test_a_price_is_fresh_until_its_own_exchange_has_had_another_session(prices: Any) -> None:
    prices.closed_market()
    # London has been closed for ten days; of Bombay no session to come is known.
    prices.closed_market(mic="XLON")
    prices.sql.execute(
        "delete from market_session where mic = 'XLON'"
        " and session_date between current_date - 10 and current_date;"
        "delete from market_session where mic = 'XBOM' and session_date >= current_date"
    )
    days_old = {"AAPL": 1, "BRK.B": 3, "VOD.LON": 11, "TSCO.LON": 12, "INFY.BSE": 4, "ABC.XYZ": 2}
    for symbol, days in days_old.items():
        prices.sql.execute(
            "insert into quote (symbol, source, price, session_date, fetched_at) values"
            " (%s, 'stooq', 1, current_date - %s, clock_timestamp() - %s * interval '1 day')",
            (symbol, days, days),
        )
    prices.sql.execute(
        "insert into watchlist_item (symbol) select unnest(%s::text[])", ([*days_old, "NEW"],)
    )

    with transaction() as connection:
        said = {row["freshness"]: (row["symbols"], row["which"]) for row in rows(connection, 0)}

    assert said == {
        "fresh": (3, None),
        "behind": (2, "BRK.B, TSCO.LON"),
        "older than 3 days": (1, "INFY.BSE"),
        "never fetched": (1, "NEW"),
    }


def test_gaps_of_a_symbol_are_those_of_its_exchange(prices: Any) -> None:
    prices.closed_market()
    prices.closed_market(mic="XLON")
    prices.sql.execute(
        "delete from market_session where mic = 'XLON' and session_date = current_date - 2"
    )
    for symbol in ("BRK.B", "VOD.LON", "ABC.XYZ"):
        prices.sql.execute(
            "insert into price_bar (symbol, bar_date, source, close)"
            " select %s, current_date - n, 'stooq', 1 from unnest(array[1, 4]) n",
            (symbol,),
        )

    with transaction() as connection:
        missing = {key: rows(connection, 2, key) for key in ("BRK.B", "VOD.LON", "ABC.XYZ")}

    assert {key: len(days) for key, days in missing.items()} == {"BRK.B": 2, "VOD.LON": 1, "ABC.XYZ": 0}
