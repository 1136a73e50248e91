"""What people do at the console and by the API: the same SQL functions as in psql and the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from console import rows, sql
from console.refusals import refuse
from console.sql import Row
from tasks.watches import notices
from workers.ledger.retried import ONLY_FAILED

TIMINGS = ("every", "cron", "at", "after")
#: Columns that a trigger or the machine writes, or that a copy does not take over.
_NOT_COPIED = ("etag", "name", "revision", "updated_at", "updated_by", "paused_until", "pause_reason")


def create_schedule(connection: Connection, values: Mapping[str, Any]) -> Row:
    return rows.insert_row(connection, "schedule", _cleaned(values))


def update_schedule(
    connection: Connection, name: str, values: Mapping[str, Any], revision: int | str | None = None
) -> Row:
    """Edit the columns given; a timing replaces the earlier one. 412 when ``revision`` is old."""
    require_schedule(connection, name)
    given = _cleaned(values)
    if any(given.get(one) is not None for one in TIMINGS):
        given = {**dict.fromkeys(TIMINGS), **given}
    etag = None if revision is None else str(revision)
    return rows.update_row(connection, "schedule", {"name": name}, given, etag)


def delete_schedule(connection: Connection, name: str, revision: str | None = None) -> None:
    require_schedule(connection, name)
    rows.delete_row(connection, "schedule", {"name": name}, revision)


def copy_schedule(connection: Connection, name: str, new_name: str) -> Row:
    """A disabled copy under a new name."""
    require_schedule(connection, name)
    found = rows.present(rows.get(connection, "schedule", {"name": name}), "schedule", {"name": name})
    kept = {key: value for key, value in found.items() if key not in _NOT_COPIED and value is not None}
    return rows.insert_row(connection, "schedule", {**kept, "name": new_name, "enabled": False})


def require_schedule(connection: Connection, name: str) -> None:
    """Refuse an unknown name in the database's words, with names like it."""
    sql.first(connection, "writes.require", name=name)


def pause(connection: Connection, name: str, why: str | None, until: str | None = None) -> Row:
    return _after(connection, "pause", "schedule", name=name, why=why or None, until=until or None)


def resume(connection: Connection, name: str) -> Row:
    return _after(connection, "resume", "schedule", name=name)


def pause_all(connection: Connection, why: str | None) -> Row:
    return _after(connection, "pause_all", "switch", why=why or None)


def resume_all(connection: Connection) -> Row:
    return _after(connection, "resume_all", "switch")


def run_now(
    connection: Connection, name: str, why: str | None = None, options: Mapping[str, Any] | None = None
) -> Row:
    """A request; its run will have the id ``new_run_id``."""
    given = json.dumps(options) if options else None
    return _one(connection, "run", name=name, why=why or None, options=given)


def backfill(connection: Connection, name: str, first: str, last: str, **given: Any) -> Row:
    """What it costs: runs, items, calls, the quota left, how long it takes, when it would end.

    ``overlap``, ``why`` and ``dry_run`` (true by default) may be given.
    """
    given = {"overlap": "buffer_all", "why": None, "dry_run": True} | {
        key: value for key, value in given.items() if value != ""
    }
    return _one(connection, "backfill", name=name, first=first, last=last, **given)


def stop_run(connection: Connection, run: UUID, why: str | None = None) -> Row:
    return _after(connection, "stop", "request", run=run, why=why or None)


def retry_run(
    connection: Connection, run: UUID, why: str | None = None, *, only_failed: bool = False
) -> Row:
    """All of it again with the same options, or only the items that did not succeed."""
    options = json.dumps(ONLY_FAILED) if only_failed else None
    return _one(connection, "retry", run=run, why=why or None, options=options)


def undo(connection: Connection, number: int) -> Row:
    return _one(connection, "undo", number=number)


def send_test(connection: Connection, channel: str) -> Row:
    return _after(connection, "send_test", "last_notice", channel=channel)


def unblock(connection: Connection, upstream: str, why: str | None = None) -> Row:
    return _after(connection, "unblock", "upstream", upstream=upstream, why=why or None)


def resend(connection: Connection, number: int) -> Row:
    """Try a notice again that was given up."""
    if not notices.resend(connection, number):
        raise refuse(404, f"no notice {number} that was given up")
    return _one(connection, "notice", number=number)


def _after(connection: Connection, action: str, row: str, /, **given: Any) -> Row:
    """Do something that answers in a sentence; returns the row that it was about."""
    _one(connection, action, **given)
    return _one(connection, row, **given)


def _one(connection: Connection, statement: str, /, **given: Any) -> Row:
    return sql.rows(connection, f"writes.{statement}", **given)[0]


def _cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """Empty texts are nulls: so forms say that a column is empty."""
    return {key: None if value == "" else value for key, value in values.items()}
