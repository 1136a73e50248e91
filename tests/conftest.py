"""Fixtures of all tests, as plugins: one file a concern."""

from __future__ import annotations

import os

# The processes that tests start would each compile a thousand modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = (
    "fix_waiting",
    "fix_postgres",
    "fix_valkey",
    "fix_processes",
    "fix_proxy",
    "fix_nodes",
    "fix_kinds",
    "fix_beat",
    "fix_prices",
    "fix_discovery",
    "fix_listings",
)
