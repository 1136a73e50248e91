"""What a page of 20 ads costs Postgres: statements, round trips, commits and WAL, on any machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.costs import Costs, counted
from workers.connections import places
from workers.db import driver_connect
from workers.execution import lease, task
from workers.settings import settings
from workers.upstreams import allowed_networks, upstreams

ADS = 20
#: WAL varies a little with what else shares a block.
SLACK = 0.1


@pytest.fixture
def cost_of_a_page(
    scrapes: Any, make_listing: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], tuple[Costs, float]]:
    """``cost_of_a_page(new)``: what each further page of a category costs, and its bytes of WAL."""
    scrapes.site_server.a_page = ADS
    # Read once a second for all threads: not of a page.
    monkeypatch.setattr(upstreams.known, "_max_age", 1e9)
    monkeypatch.setattr(allowed_networks.listed, "_max_age", 1e9)
    # On a slow machine a lease would be renewed meanwhile, also by the thread of an earlier test.
    long_lease = settings().model_copy(update={"lease_seconds": 3600.0})
    monkeypatch.setattr(task, "settings", lambda: long_lease)
    monkeypatch.setattr(lease, "_renewals", lease._Renewals())
    numbers = iter(range(1, 10_000))

    def fill(pages: int) -> None:
        scrapes.site_server.ads["full-size"] = [make_listing(next(numbers)) for _ in range(ADS * pages)]

    def open_connections() -> None:
        """All that short statements may need: how many overlap, each in its thread, is chance."""
        with ExitStack() as opened:
            for _ in range(max(1, places.share() // 2)):
                opened.enter_context(driver_connect())

    def read(pages: int) -> tuple[Costs, int]:
        scrapes.sql.execute("checkpoint")
        before = scrapes.one("select pg_current_wal_insert_lsn() as at")["at"]
        with counted(monkeypatch) as costs:
            run = scrapes.run(max_pages=pages, thorough=True)
        assert (run["state"], run["result"]["counts"]["pages"]) == ("succeeded", pages)
        wal = scrapes.one("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)::int as n", before)
        return costs, wal["n"]

    def cost(new: bool) -> tuple[Costs, float]:
        # Never the whole category: its end costs something too.
        fill(13)
        open_connections()
        # Statements that are not prepared yet, blocks that are not there yet: not of a page.
        read(12)
        found = []
        for pages in (4, 12):
            if new:
                fill(13)
            found.append(read(pages))
        (few, little), (many, much) = found
        return (many - few).each(8), (much - little) / 8

    return cost


def test_a_page_of_new_ads(cost_of_a_page: Any) -> None:
    costs, wal = cost_of_a_page(True)

    assert costs == Costs(statements=11, round_trips=12, commits=2)
    assert wal == pytest.approx(25_200, rel=SLACK)


def test_a_page_of_ads_that_are_stored_as_they_are(cost_of_a_page: Any) -> None:
    costs, wal = cost_of_a_page(False)

    assert costs == Costs(statements=8, round_trips=9, commits=2)
    assert wal == pytest.approx(13_350, rel=SLACK)
