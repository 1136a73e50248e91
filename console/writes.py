"""What people do at the console and by the API: the same SQL functions as in psql and the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from console import rows
from console.refusals import refuse
from console.sql import statement
from workers.ledger.retried import ONLY_FAILED

_TIMINGS = ("every", "cron", "at", "after")
#: Columns that a trigger or the machine writes, or that a copy does not take over.
_NOT_COPIED = ("etag", "name", "revision", "updated_at", "updated_by", "paused_until", "pause_reason")
_NAMED = text("select name from schedule_named(:name)")
_PAUSE = text("select pause(:name, :why, coalesce(cast(:until as timestamptz), 'infinity'))")
_RESUME = text("select resume(:name)")
_PAUSE_ALL = text("select pause_all(:why)")
_RESUME_ALL = text("select resume_all()")
_RUN = text("select * from request_run(:name, :why, cast(:options as jsonb))")
_BACKFILL = statement("writes", "backfill")
_STOP = text("select stop_run(:run, :why)")
_RETRY = statement("writes", "retry")
_UNDO = text("select * from undo_change(:number)")
_TEST = text("select send_test(:channel)")
_UNBLOCK = text("select unblock(:upstream, :why)")
#: The row that an answer in a sentence is about.
_SCHEDULE = text("select * from schedule where name = :name")
_SWITCH = text("select * from pause_switch")
_REQUEST = text("select * from run_request where run_id = :run order by id desc limit 1")
_NOTICE = text("select * from notice where channel = :channel order by id desc limit 1")
_UPSTREAM = text("select * from upstream where name = :upstream")
_RESEND = statement("writes", "resend")
#: Ends when it would begin: once both its calls and its runs have had their turn.
_ENDS = text("select clock_timestamp() + cast(:takes as interval)")


def create_schedule(connection: Connection, values: Mapping[str, Any]) -> RowMapping:
    return rows.insert_row(connection, "schedule", _cleaned(values))


def update_schedule(
    connection: Connection, name: str, values: Mapping[str, Any], revision: int | str | None = None
) -> RowMapping:
    """Edit the columns given; a timing replaces the earlier one. 412 when ``revision`` is old."""
    require_schedule(connection, name)
    given = _cleaned(values)
    if any(given.get(one) is not None for one in _TIMINGS):
        given = {**dict.fromkeys(_TIMINGS), **given}
    etag = None if revision is None else str(revision)
    return rows.update_row(connection, "schedule", {"name": name}, given, etag)


def delete_schedule(connection: Connection, name: str, revision: int | str | None = None) -> None:
    require_schedule(connection, name)
    rows.delete_row(connection, "schedule", {"name": name}, None if revision is None else str(revision))


def copy_schedule(connection: Connection, name: str, new_name: str) -> RowMapping:
    """A disabled copy under a new name."""
    require_schedule(connection, name)
    found = rows.get(connection, "schedule", {"name": name})
    if found is None:
        raise refuse(404, f'no schedule named "{name}"')
    kept = {key: value for key, value in found.items() if key not in _NOT_COPIED and value is not None}
    return rows.insert_row(connection, "schedule", {**kept, "name": new_name, "enabled": False})


def require_schedule(connection: Connection, name: str) -> None:
    """Refuse an unknown name in the database's words, with names like it."""
    connection.execute(_NAMED, {"name": name})


def pause(connection: Connection, name: str, why: str | None, until: str | None = None) -> RowMapping:
    return _after(connection, _PAUSE, _SCHEDULE, name=name, why=why or None, until=until or None)


def resume(connection: Connection, name: str) -> RowMapping:
    return _after(connection, _RESUME, _SCHEDULE, name=name)


def pause_all(connection: Connection, why: str | None) -> RowMapping:
    return _after(connection, _PAUSE_ALL, _SWITCH, why=why or None)


def resume_all(connection: Connection) -> RowMapping:
    return _after(connection, _RESUME_ALL, _SWITCH)


def run_now(
    connection: Connection, name: str, why: str | None = None, options: Mapping[str, Any] | None = None
) -> RowMapping:
    """A request; its run will have the id ``new_run_id``."""
    given = json.dumps(options) if options else None
    return _one(connection, _RUN, name=name, why=why or None, options=given)


def backfill(
    connection: Connection,
    name: str,
    first: str,
    last: str,
    overlap: str = "buffer_all",
    *,
    why: str | None = None,
    dry_run: bool = True,
) -> dict[str, Any]:
    """What it costs: runs, items, calls, the quota left, how long it takes, when it would end."""
    cost = _one(
        connection, _BACKFILL, name=name, first=first, last=last, overlap=overlap or "buffer_all",
        why=why or None, dry_run=dry_run,
    )  # fmt: skip
    ends = connection.execute(_ENDS, {"takes": cost["takes"]}).scalar_one() if cost["takes"] else None
    return {**cost, "ends_at": ends}


def stop_run(connection: Connection, run: UUID, why: str | None = None) -> RowMapping:
    return _after(connection, _STOP, _REQUEST, run=run, why=why or None)


def retry_run(
    connection: Connection, run: UUID, why: str | None = None, *, only_failed: bool = False
) -> RowMapping:
    """All of it again with the same options, or only the items that did not succeed."""
    options = json.dumps(ONLY_FAILED) if only_failed else None
    return _one(connection, _RETRY, run=run, why=why or None, options=options)


def undo(connection: Connection, number: int) -> RowMapping:
    return _one(connection, _UNDO, number=number)


def send_test(connection: Connection, channel: str) -> RowMapping:
    return _after(connection, _TEST, _NOTICE, channel=channel)


def unblock(connection: Connection, upstream: str, why: str | None = None) -> RowMapping:
    return _after(connection, _UNBLOCK, _UPSTREAM, upstream=upstream, why=why or None)


def resend(connection: Connection, number: int) -> RowMapping:
    """Try a notice again that was given up."""
    found = connection.execute(_RESEND, {"number": number}).mappings().one_or_none()
    if found is None:
        raise refuse(404, f"no notice {number} that was given up")
    return found


def _after(connection: Connection, action: Any, row: Any, **given: Any) -> RowMapping:
    """Do something that answers in a sentence; returns the row that it was about."""
    connection.execute(action, given)
    return _one(connection, row, **given)


def _one(connection: Connection, statement: Any, **given: Any) -> RowMapping:
    found: RowMapping = connection.execute(statement, given).mappings().one()
    return found


def _cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """Empty texts are nulls: so forms say that a column is empty."""
    return {key: None if value == "" else value for key, value in values.items()}
