"""WATCHKEEPER_RELAX_INTERVALS, as the sandbox sets it, lifts the shortest interval and nothing else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.outside(26)


@pytest.mark.parametrize(
    ("task", "every"),
    [
        ("tasks.discovery.surveil", "3 hours"),
        ("tasks.discovery.surveil", "10 seconds"),
        ("tasks.discovery.discover", "2 days"),
        ("tasks.listings.scrape", "61 minutes"),
    ],
)
def test_what_is_not_the_shortest_interval_holds(connection: Any, task: str, every: str) -> None:
    with pytest.raises(psycopg.Error, match="is not allowed for|at most|longest"):
        connection.execute(
            "insert into schedule (name, task, every) values ('x', %s, %s)", (task, every)
        )


@pytest.mark.parametrize(
    ("task", "every"),
    [
        ("tasks.discovery.surveil", "4 hours"),
        ("tasks.discovery.discover", "5 seconds"),
        ("tasks.listings.scrape", "1 second"),
    ],
)
def test_short_intervals_are_allowed(connection: Any, task: str, every: str) -> None:
    connection.execute("insert into schedule (name, task, every) values ('x', %s, %s)", (task, every))
