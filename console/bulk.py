"""One action on many schedules: counted before, known as one operation after."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from console import sql, writes
from console.queries import schedules
from console.queries.schedules import Filter
from console.refusals import refuse, require_known
from workers.text.words import count_words

ACTIONS = ("pause", "resume", "run", "enable", "disable", "set")
#: Those that change only some of the schedules that a filter chooses.
_SOME = frozenset({"resume", "enable", "disable"})
#: What an action may be given.
_TAKES = {"pause": {"why", "until"}, "run": {"why"}, "set": {"column", "value"}}
SAMPLE = 20


def preview(connection: Connection, chosen: Filter | Sequence[str], action: str) -> dict[str, Any]:
    """How many are chosen, how many would change, and the first of those."""
    names, affected = _affected(connection, chosen, action)
    return {"chosen": len(names), "changed": len(affected), "sample": affected[:SAMPLE]}


def _affected(
    connection: Connection, chosen: Filter | Sequence[str], action: str
) -> tuple[list[str], list[str]]:
    """Names of a selection, or of all that pass a filter; and those that the action would change."""
    require_known("action", action, *ACTIONS)
    if isinstance(chosen, Filter):
        names = schedules.names(connection, chosen)
        if action not in _SOME:
            return names, names
    else:
        names = sorted(set(chosen))
        sql.rows(connection, "bulk.require", names=names)
    return names, sql.scalar(connection, "bulk.affected", names=names, action=action)


def apply(
    connection: Connection,
    chosen: Filter | Sequence[str],
    action: str,
    values: Mapping[str, Any] | None = None,
    expected: int | None = None,
) -> tuple[uuid.UUID, int]:
    """Do it; its id and how many schedules it reached; 412 when they are not ``expected`` by now."""
    _, names = _affected(connection, chosen, action)
    for one, value in (values or {}).items():
        if value is not None and one not in _TAKES.get(action, ()):
            raise refuse(422, f"{action} takes no {one}", column=one)
    if expected is not None and expected != len(names):
        told = f"{count_words(len(names), 'schedule')} would change by now, not {expected}"
        raise refuse(412, told, "Look at the preview again.")
    operation = uuid.uuid4()
    sql.execute(connection, "bulk.operation", operation=str(operation))
    if names:
        _act(connection, action, names, values or {})
    sql.execute(connection, "bulk.operation", operation="")
    return operation, len(names)


def _act(connection: Connection, action: str, names: list[str], values: Mapping[str, Any]) -> None:
    if action == "set":
        # The first refusal, by its schedule's name, refuses all.
        column = values.get("column")
        if not isinstance(column, str) or column == "name":
            raise refuse(422, "name one column and its value", column="column")
        for name in names:
            writes.update_schedule(connection, name, {column: values.get("value")})
        return
    until = sql.scalar(connection, "writes.until", given=values.get("until"))
    given = {"names": names, "why": values.get("why") or None, "until": until}
    if action == "pause" and not sql.scalar(connection, "bulk.ends_later", **given):
        raise refuse(422, "a pause must end in the future", column="until")
    connection.execute(sql.statement(f"bulk.{action}"), given)


def resume_operation(connection: Connection, operation: uuid.UUID) -> tuple[uuid.UUID, int]:
    """Resume exactly what that operation paused and nobody paused otherwise since."""
    if not sql.scalar(connection, "bulk.is_known", operation=operation):
        raise refuse(404, f"no operation {operation} paused schedules")
    return apply(connection, sql.scalar(connection, "bulk.still_paused", operation=operation), "resume")
