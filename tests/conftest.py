"""Fixtures of all tests, as plugins: one file a concern."""

from __future__ import annotations

import os

import pytest

# The processes that tests start would each compile a thousand modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = (
    "fix_waiting",
    "fix_postgres",
    "fix_valkey",
    "fix_processes",
    "fix_proxy",
    "fix_kinds",
    "fix_beat",
    "fix_prices",
    "fix_listings",
)
#: Files of tests/e2e that start the whole system.
LONG = ("test_sandbox.py", "test_sandbox_run.py", "test_worker_stops_in_order.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that kill and restart whole processes are long: a loaded machine must not fail them."""
    for item in items:
        folder = item.path.parent.name
        if folder == "faults" or item.path.name in LONG:
            item.add_marker(pytest.mark.long)
