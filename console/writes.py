"""What people do at the console and by the API: the same SQL functions as in psql and the commands."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from console import sql
from console.refusals import refuse
from console.rows import Rows
from console.sql import Row
from tasks.watches import notices
from workers.ledger.retried import ONLY_FAILED

TIMINGS = ("every", "cron", "at", "after")
#: What answers in a sentence → the row that it is about; all others answer with a row.
_ABOUT = {
    "pause": "schedule", "resume": "schedule", "pause_all": "switch", "resume_all": "switch",
    "stop": "request", "send_test": "last_notice", "unblock": "upstream",
}  # fmt: skip
#: Columns that a trigger or the machine writes, or that a copy does not take over.
_NOT_COPIED = ("etag", "name", "revision", "updated_at", "updated_by", "paused_until", "pause_reason")


def create_schedule(connection: Connection, values: Mapping[str, Any]) -> Row:
    return Rows(connection, "schedule").insert(values)


def update_schedule(
    connection: Connection, name: str, values: Mapping[str, Any], revision: int | str | None = None
) -> Row:
    """Edit the columns given; a timing replaces the earlier one. 412 when ``revision`` is old."""
    timed = any(values.get(one) is not None for one in TIMINGS)
    given = {**dict.fromkeys(TIMINGS), **values} if timed else values
    etag = None if revision is None else str(revision)
    return Rows(connection, "schedule").update({"name": name}, given, etag)


def copy_schedule(connection: Connection, name: str, new_name: str) -> Row:
    of = Rows(connection, "schedule")
    found = of.get({"name": name})
    kept = {key: value for key, value in found.items() if key not in _NOT_COPIED and value is not None}
    return of.insert({**kept, "name": new_name, "enabled": False})


def do(connection: Connection, action: str, /, **given: Any) -> Row:
    """Do what the statement of that name does; the row that it was about."""
    # What forms may leave out is null.
    given = {**dict.fromkeys(("why", "until", "overlap", "dry_run")), **given}
    given = {name: None if value in ("", {}) else value for name, value in given.items()}
    if action == "resend" and not notices.resend(connection, given["number"]):
        raise refuse(404, f"no notice {given['number']} that was given up")
    if given.get("until"):
        given["until"] = sql.scalar(connection, "writes.until", given=given["until"])
    options = ONLY_FAILED if given.get("only_failed") else given.get("options")
    made = _one(connection, action, **{**given, "options": options and json.dumps(options)})
    return _one(connection, _ABOUT[action], **given) if action in _ABOUT else made


def _one(connection: Connection, statement: str, /, **given: Any) -> Row:
    return sql.rows(connection, f"writes.{statement}", **given)[0]
