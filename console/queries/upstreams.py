"""Upstreams: what is used of each limit, who waits, what is blocked, how calls went."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from console.sql import statement

_UPSTREAMS = statement("upstreams", "upstreams")
_WINDOWS = statement("upstreams", "windows")
_WAITING = statement("upstreams", "waiting")
_OUTCOMES = statement("upstreams", "outcomes")
_HOURS = statement("upstreams", "hours")


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every upstream with its windows, its queue and the outcomes of its calls in 24 hours."""
    windows = connection.execute(_WINDOWS).mappings().all()
    waiting = connection.execute(_WAITING).mappings().all()
    outcomes = {row["upstream"]: row for row in connection.execute(_OUTCOMES).mappings()}
    return [
        {
            **row,
            "windows": [one for one in windows if one["upstream"] == row["name"]],
            "waiting": [one for one in waiting if one["upstream"] == row["name"]],
            "outcomes": outcomes.get(row["name"]),
        }
        for row in connection.execute(_UPSTREAMS).mappings()
    ]


def by_hour(connection: Connection, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_HOURS, {"name": name}).mappings()]


_PACE = statement("upstreams", "pace")


def forecasts(connection: Connection) -> dict[str, dict[str, Any]]:
    """Quotas a day: what a day costs at the pace of the last hour, and when it would be spent."""
    return {row["upstream"]: dict(row) for row in connection.execute(_PACE).mappings()}
