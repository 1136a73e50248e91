"""Brings rows up to what the code's entries say; what people did to a row wins, and is said once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from celery import Celery
from celery.beat import ScheduleEntry

from beat.entries import beat_entries, queues
from beat.entries.conversion import CannotKeep, Place, columns_of
from beat.entries.names import in_order, row_name
from workers.db import Driver, execute
from workers.ledger import machine_locks

log = structlog.stdlib.get_logger("beat")

NOTE = "from beat_schedule in the code"
GONE = "no longer in beat_schedule of the code"

#: What an entry that cannot be a row raises.
REFUSED = (CannotKeep, psycopg.DataError, psycopg.IntegrityError, KeyError, TypeError, ValueError)


def synchronize(connection: Driver, app: Celery, entries: Mapping[str, ScheduleEntry]) -> None:
    """Insert new entries, take over changes of untouched ones, disable those that the code dropped."""
    with connection.transaction():
        machine_locks.wait_for(connection, "beat entries")
        book = _Book(connection, app, entries)
        for name in in_order(entries):
            try:
                with connection.transaction():
                    book.take(name, entries[name])
            except REFUSED as error:
                reason = str(error).partition("\n")[0]
                log.error("entry.refused", name=name, error=reason or type(error).__name__)
        for name in sorted(book.known.keys() - entries.keys()):
            with connection.transaction():
                book.drop(name)


class _Book:
    """What the table knows of the entries of one application."""

    def __init__(self, connection: Driver, app: Celery, entries: Mapping[str, ScheduleEntry]) -> None:
        self._connection, self._app = connection, app
        self._main = app.main or "__main__"
        self._place = Place.of(app)
        self.known = {
            row.entry: row
            for row in execute(connection, beat_entries.READ, {"app": self._main}).fetchall()
        }
        self._taken = {name for (name,) in connection.execute(beat_entries.TAKEN)}
        tasks = list({str(entry.task) for entry in entries.values()})
        self._plain = dict(connection.execute(beat_entries.PLAIN, {"names": tasks}).fetchall())

    def take(self, name: str, entry: ScheduleEntry) -> None:
        columns = columns_of(entry, self._place, plain=self._plain.get(entry.task, True))
        self._serve(columns.get("queue"))
        definition = _definition(columns)
        known = self.known.get(name)
        if known is None:
            self._add(name, columns, definition)
        elif known.row is None:
            self._say(known, "deleted", definition)
        elif known.definition != definition:
            if _is_untouched(known):
                self._change(known, columns, definition)
            else:
                self._say(known, "edited", definition)
        elif not _is_untouched(known):
            self._say(known, "edited", definition)

    def drop(self, name: str) -> None:
        """The code no longer has the entry: an untouched row is disabled."""
        known = self.known[name]
        if known.definition is None:
            return
        if known.row is None or not _is_untouched(known):
            self._remember(known.entry, known.schedule, None, known.written, known.said)
            return
        self._connection.execute(
            "update schedule set enabled = false, note = %s where name = %s", (GONE, known.schedule)
        )
        self._remember(known.entry, known.schedule, None, known.written, None)
        log.info("entry.disabled", name=name, schedule=known.schedule, reason=GONE)

    def _add(self, name: str, columns: dict[str, Any], definition: dict[str, Any]) -> None:
        schedule = row_name(name, ())
        what = {"name": schedule, "task": columns["task"], "note": NOTE}
        if execute(self._connection, beat_entries.ADOPTABLE, what).fetchone():
            # A row of an earlier version: what people did to it cannot be known, so it stays.
            self._remember(name, schedule, definition, {}, "edited")
            return
        schedule = row_name(name, self._taken)
        self._insert(name, schedule, columns, definition)
        log.info("entry.added", name=name, schedule=schedule)

    def _insert(
        self, name: str, schedule: str, columns: dict[str, Any], definition: dict[str, Any]
    ) -> None:
        title = name if name != schedule else None
        row = {"name": schedule, "title": title, "note": NOTE, **columns}
        row["options"] = json.dumps(row["options"])
        named = ", ".join(f'"{column}"' for column in row)
        values = ", ".join(f"%({column})s" for column in row)
        self._connection.execute(f"insert into schedule ({named}) values ({values})", row)  # noqa: S608
        self._taken.add(schedule)
        self._remember(name, schedule, definition, self._written(schedule, columns), None)

    def _change(self, known: Any, columns: dict[str, Any], definition: dict[str, Any]) -> None:
        if known.row["task"] != columns["task"]:
            # A schedule keeps its task: a new row of the same name takes its place.
            self._connection.execute("delete from schedule where name = %s", (known.schedule,))
            self._insert(known.entry, known.schedule, columns, definition)
        else:
            # What the code no longer says goes back to its default.
            unsaid = ", ".join(f'"{name}" = default' for name in known.written if name not in columns)
            row = {**columns, "options": json.dumps(columns["options"]), "name": known.schedule}
            back = {"enabled": True, "note": NOTE} if known.definition is None else {}
            row |= back
            sets = [f'"{column}" = %({column})s' for column in (*columns, *back)] + [unsaid] * bool(
                unsaid
            )
            self._connection.execute(
                f"update schedule set {', '.join(sets)} where name = %(name)s",  # noqa: S608
                row,
            )
            written = self._written(known.schedule, columns)
            self._remember(known.entry, known.schedule, definition, written, None)
        log.info("entry.updated", name=known.entry, schedule=known.schedule)

    def _say(self, known: Any, what: str, definition: dict[str, Any]) -> None:
        """People edited or deleted the row: say once that it stays so."""
        if known.said != what:
            log.info(f"entry.{what}", name=known.entry, schedule=known.schedule, kept="what people did")
        if known.said != what or known.definition != definition:
            self._remember(known.entry, known.schedule, definition, known.written, what)

    def _serve(self, queue: str | None) -> None:
        """Where the application makes queues as they are named, an entry names one by right."""
        if queue and (self._app.conf.task_create_missing_queues or queue in self._app.amqp.queues):
            self._connection.execute(queues.ADD, {"name": queue, "note": NOTE})

    def _written(self, schedule: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        row: Any = execute(self._connection, beat_entries.ROW, {"name": schedule}).fetchone()
        return {column: row.row[column] for column in columns}

    def _remember(
        self,
        name: str,
        schedule: str,
        definition: dict[str, Any] | None,
        written: Mapping[str, Any],
        said: str | None,
    ) -> None:
        what = {
            "app": self._main,
            "entry": name,
            "schedule": schedule,
            "definition": None if definition is None else json.dumps(definition),
            "written": json.dumps(dict(written)),
            "said": said,
        }
        execute(self._connection, beat_entries.REMEMBER, what)


def _definition(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What the code says, the same at each start: a relative interval only says that it is one."""
    kept = {name: value for name, value in columns.items() if name != "starts_at"}
    kept["relative"] = "starts_at" in columns
    found: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return found


def _is_untouched(known: Any) -> bool:
    """Whether the columns that the code wrote are as it wrote them; others are people's anyway."""
    return bool(known.written) and all(
        known.row.get(name) == value for name, value in known.written.items()
    )
