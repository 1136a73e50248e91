"""What the console shows of listings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.watches.watch import Pages, Panel
from workers.execution import statements

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SQL = statements(__file__)
_CATEGORIES = "/tables/category?site={site}&scraped=true"


def preview(connection: Connection, key: str, page: str) -> list[dict[str, Any]]:
    """The ads that a site's selectors find in the text of a page; nothing is stored."""
    from tasks.listings import fetchers, sites

    source = sites.find(connection, key)
    found = fetchers.parse(source, page, source.base_url, datetime.now(UTC))
    return [asdict(card) for card in found.cards]


PAGES = Pages(
    found=_SQL["found"],
    overview=(Panel("Sites", _SQL["sites"], counts={"categories": _CATEGORIES}),),
    details=(
        Panel("Facts", _SQL["facts"], "facts"),
        Panel("Price over time", _SQL["prices"], "chart"),
        Panel("Prices and statuses", _SQL["history"]),
    ),
    reports=(Panel("Scrapes of this run", _SQL["of_a_run"]),),
    previews={"site": preview},
)
