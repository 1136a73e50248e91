"""Beats, workers, groups and queues."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from console.sql import statement

_PROCESSES = statement("processes", "processes")
_QUEUES = statement("processes", "queues")
_GROUPS = statement("processes", "groups")


_LINES = statement("processes", "lines")


def lines(connection: Connection) -> dict[str, list[int]]:
    """Ready batches of each queue over the day."""
    return {row.queue: row.ready for row in connection.execute(_LINES)}


def listed(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_PROCESSES).mappings()]


def queues(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_QUEUES).mappings()]


def groups(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_GROUPS).mappings()]
