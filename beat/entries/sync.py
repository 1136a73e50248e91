"""Brings rows up to what the code's entries say; what people did to a row wins, and is said once."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import psycopg
import structlog
from celery import Celery
from celery.beat import ScheduleEntry

from beat.entries.conversion import CannotKeep, Place, columns_of
from beat.entries.names import in_order, row_name
from workers.db import Driver, execute
from workers.ledger import machine_locks
from workers.text.statements import statements

log = structlog.stdlib.get_logger("beat")

_SQL = statements(__file__)
NOTE = "from beat_schedule in the code"
GONE = "no longer in beat_schedule of the code"

#: What an entry that cannot be a row raises.
REFUSED = (CannotKeep, psycopg.DataError, psycopg.IntegrityError, KeyError, TypeError, ValueError)


def synchronize(connection: Driver, app: Celery, entries: Mapping[str, ScheduleEntry]) -> None:
    """Insert new entries, take over changes of untouched ones, disable those that the code dropped."""
    with connection.transaction():
        machine_locks.wait_for(connection, "beat entries")
        place = Place.of(app)
        book = Book(connection, app.main or "__main__", [str(entry.task) for entry in entries.values()])
        for name in in_order(entries):
            entry = entries[name]
            try:
                with connection.transaction():
                    columns = columns_of(entry, place, plain=book.is_plain(str(entry.task)))
                    if _makes(app, columns.get("queue")):
                        book.serve(columns["queue"])
                    book.put(name, columns)
            except REFUSED as error:
                reason = str(error).partition("\n")[0]
                log.error("entry.refused", name=name, error=reason or type(error).__name__)
        for name in sorted(book.known.keys() - entries.keys()):
            with connection.transaction():
                book.drop(name)


def _makes(app: Celery, queue: str | None) -> bool:
    return bool(queue and (app.conf.task_create_missing_queues or queue in app.amqp.queues))


class Book:
    """What the table knows of the entries of one application, or of another scheduler."""

    def __init__(self, connection: Driver, main: str, tasks: Iterable[str], note: str = NOTE) -> None:
        self._connection, self._main, self._note = connection, main, note
        self.known = {
            row.entry: row for row in execute(connection, _SQL["read"], {"app": main}).fetchall()
        }
        found = execute(connection, _SQL["plain"], {"names": list({str(task) for task in tasks})})
        self._plain = {row.name: row.plain for row in found}

    @cached_property
    def _taken(self) -> set[str]:
        """Names of rows and entries: read for a new entry alone, because it reads the whole table."""
        return {row.name for row in execute(self._connection, _SQL["taken"])}

    def is_plain(self, task: str) -> bool:
        return bool(self._plain.get(task, True))

    def serve(self, queue: str) -> None:
        self._connection.execute(_SQL["add_queue"], {"name": queue, "note": self._note})

    def put(self, name: str, columns: dict[str, Any]) -> str:
        """Write the row of an entry unless people changed it; returns the row's name."""
        definition = _definition(columns)
        known = self.known.get(name)
        if known is None:
            return self._add(name, columns, definition)
        if known.row is None:
            self._say(known, "deleted", definition)
        elif not _is_untouched(known):
            self._say(known, "edited", definition)
        elif known.definition != definition:
            self._change(known, columns, definition)
        return str(known.schedule)

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

    def _add(self, name: str, columns: dict[str, Any], definition: dict[str, Any]) -> str:
        schedule = row_name(name, ())
        what = {"name": schedule, "task": columns["task"], "note": self._note}
        if execute(self._connection, _SQL["adoptable"], what).fetchone():
            # A row of an earlier version: what people did to it cannot be known, so it stays.
            self._remember(name, schedule, definition, {}, "edited")
            return schedule
        schedule = row_name(name, self._taken)
        self._insert(name, schedule, columns, definition)
        log.info("entry.added", name=name, schedule=schedule)
        return schedule

    def _insert(
        self, name: str, schedule: str, columns: dict[str, Any], definition: dict[str, Any]
    ) -> None:
        title = name if name != schedule else None
        row = {"name": schedule, "title": title, "note": self._note, **columns}
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
            back = {"enabled": True, "note": self._note} if known.definition is None else {}
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

    def _written(self, schedule: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        row: Any = execute(self._connection, _SQL["row"], {"name": schedule}).fetchone()
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
        execute(self._connection, _SQL["remember"], what)


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
