"""A scrape that dies at any page and is taken back leaves the rows of one clean run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.listings import fetchers
from workers.db import driver_transaction
from workers.ledger import rescued

NOW = datetime.now(UTC)
SCRAPES = (
    "select category_id, thorough, pages, unchanged_pages, cards, new, changed, price_changes, expired,"
    " state, reason from scrape join (select id from run order by created_at desc limit 1) r on r.id = run_id"
    " order by 1"
)
PAGES = "select category_id, page, external_ids, has_next from list_page order by 1, 2"
MATCHES = "select rule, occasion, occasion_key, title from match order by title, occasion_key"


class Death(BaseException):
    """Ends the process as far as the code under test can tell."""


def at(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


@pytest.fixture
def site(scrapes: Any, make_listing: Any) -> Any:
    """Two categories that change between two scrapes: ads come, go, get cheaper and are sold."""
    scrapes.sql.execute("update category set scraped = slug in ('full-size', 'dacs')")
    scrapes.sql.execute("update site set expire_after = 1")
    scrapes.sql.execute("insert into rule (name, expression) values ('any', 'price > 0')")

    def before() -> None:
        scrapes.sql.execute(
            "truncate listing, category_state, list_page, scrape, site_turn, match, run cascade"
        )
        for first, slug in ((1, "full-size"), (51, "dacs")):
            scrapes.site_server.ads[slug] = [
                make_listing(first + n, listed=at(n + 1)) for n in range(5)
            ]
        assert scrapes.run()["state"] == "succeeded"
        for first, slug in ((20, "full-size"), (70, "dacs")):
            shown = scrapes.site_server.ads[slug]
            del shown[1]
            shown[1].price, shown[2].overlay = "150 USD", "Sold"
            shown[:0] = [make_listing(first + n, listed=at(0.1 * (n + 1))) for n in range(3)]

    scrapes.before = before
    return scrapes


def stored(site: Any) -> list[Any]:
    return [site.everything(), *(site.all(query) for query in (SCRAPES, PAGES, MATCHES))]


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
def test_a_scrape_killed_at_any_page_ends_as_a_clean_one(
    site: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    site.before()
    clean_run = site.run(max_pages=9)
    clean, asked = stored(site), clean_run["result"]["counts"]["pages"]
    statuses = {row["status"] for row in clean[0]["listing"]}
    assert (statuses, asked) == ({"active", "sold", "expired"}, 6)
    opened = fetchers.open_fetcher
    for fatal in range(asked):
        site.before()
        calls = iter(range(1000))

        @contextmanager
        def deadly(*site: Any, fatal: int = fatal, calls: Any = calls, **how: Any) -> Iterator[Any]:
            with opened(*site, **how) as fetch:

                def dies(*page: Any, **how: Any) -> Any:
                    dead = next(calls) == fatal
                    if dead and when == "before the answer":
                        raise Death
                    try:
                        return fetch(*page, **how)
                    finally:
                        if dead:
                            raise Death

                yield dies

        with monkeypatch.context() as patched:
            patched.setattr(fetchers, "open_fetcher", deadly)
            with pytest.raises(Death):
                site.run(max_pages=9)
        with driver_transaction() as connection:
            ((run_id, _, state),) = rescued.rescue(
                connection, datetime.now(UTC) + timedelta(hours=1), 10
            )
        assert state == "waiting"
        run = site.go_on(run_id)
        assert (run["state"], run["result"]["summary"]) == (
            "succeeded",
            clean_run["result"]["summary"],
        ), run["error"]
        assert stored(site) == clean, fatal
