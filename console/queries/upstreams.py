"""Upstreams: what is used of each limit, who waits, what is blocked, how calls went."""

from __future__ import annotations

from sqlalchemy import Connection

from console import sql
from console.sql import Row


def listed(connection: Connection) -> list[Row]:
    """Every upstream with its windows, its queue and the outcomes of its calls in 24 hours."""
    windows, waiting, outcomes = (
        sql.rows(connection, f"upstreams.{part}") for part in ("windows", "waiting", "outcomes")
    )
    return [
        {
            **row,
            "windows": [one for one in windows if one["upstream"] == row["name"]],
            "waiting": [one for one in waiting if one["upstream"] == row["name"]],
            "outcomes": next((one for one in outcomes if one["upstream"] == row["name"]), None),
        }
        for row in sql.rows(connection, "upstreams.upstreams")
    ]
