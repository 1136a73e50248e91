"""What the console shows of prices."""

from tasks.prices.markets import MARKETS, NEW_YORK
from tasks.watches.watch import Pages, Panel
from workers.execution import statements

#: The exchange of each suffix, as `markets.market_of` knows them; without one it is New York.
_MARKETS = ", ".join(f"('{suffix}', '{mic}')" for suffix, mic in {"": NEW_YORK, **MARKETS}.items())
_SQL = {
    name: sql.replace("{markets}", f"(values {_MARKETS})") for name, sql in statements(__file__).items()
}

PAGES = Pages(
    found=_SQL["found"],
    overview=(
        Panel(
            "Freshness of the watch list",
            _SQL["freshness"],
            empty="The watch list is empty.",
            counts={"symbols": "/tables/watchlist_item?active=true"},
        ),
    ),
    details=(
        Panel("Quotes", _SQL["quotes"]),
        Panel("Close of each session", _SQL["closes"], "chart"),
        Panel(
            "Gaps: sessions without a bar",
            _SQL["gaps"],
            empty="No session of its exchange is missing.",
        ),
        Panel("Last fetches", _SQL["outcomes"]),
        Panel("Transactions", _SQL["trades"], empty="None."),
        Panel("Followed", _SQL["followed"], empty="It is not on the watch list."),
    ),
    reports=(
        Panel("Outcomes", _SQL["summary_of_a_run"], counts={"symbols": "#panel-2"}),
        Panel("Symbols of this run", _SQL["of_a_run"]),
    ),
)
