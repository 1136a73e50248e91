"""Fixtures of all tests, as plugins: one file a concern."""

from __future__ import annotations

pytest_plugins = (
    "fix_waiting",
    "fix_postgres",
    "fix_valkey",
    "fix_processes",
    "fix_kinds",
    "fix_beat",
    "fix_prices",
    "fix_listings",
)
