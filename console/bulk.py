"""One action on many schedules: counted before, known as one operation after."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from console import writes
from console.queries import schedules
from console.queries.schedules import Filter
from console.refusals import refuse
from console.sql import statement
from workers.text.words import count_words

ACTIONS = ("pause", "resume", "run", "enable", "disable", "set")
MAX_AT_ONCE = 100_000
SAMPLE = 20

#: Which of the chosen an action would change.
_AFFECTED = {
    "pause": "true",
    "resume": "s.paused_until > clock_timestamp() or exists (select from schedule_state st"
    " where st.schedule = s.name and st.tripped_at is not null)",
    "run": "true",
    "enable": "not s.enabled",
    "disable": "s.enabled",
    "set": "true",
}
_OPERATION = text("select set_config('app.operation', :operation, true)")
_PAUSE = statement("bulk", "pause")
_ENDS_LATER = text("select coalesce(cast(:until as timestamptz) > clock_timestamp(), true)")
#: As resume() does it, for many.
_RESUME = statement("bulk", "resume")
_RUN = statement("bulk", "run")
_ENABLE = text("update schedule set enabled = :enabled where name = any(:names)")
#: Schedules that an operation paused and whose pause nobody has touched since.
_STILL_PAUSED = statement("bulk", "still_paused")


def chosen_names(connection: Connection, chosen: Filter | Sequence[str]) -> list[str]:
    """Names of a selection as it was made, or of all that pass a filter."""
    if isinstance(chosen, Filter):
        return schedules.names(connection, chosen, MAX_AT_ONCE)
    return sorted(set(chosen))[:MAX_AT_ONCE]


def preview(connection: Connection, chosen: Filter | Sequence[str], action: str) -> dict[str, Any]:
    """How many are chosen, how many would change, and the first of those."""
    names = chosen_names(connection, chosen)
    affected = affected_of(connection, names, action)
    return {"chosen": len(names), "changed": len(affected), "sample": affected[:SAMPLE]}


def affected_of(connection: Connection, names: Sequence[str], action: str) -> list[str]:
    if action not in ACTIONS:
        raise refuse(422, f'no action "{action}"', f"One of {', '.join(ACTIONS)}.", "action")
    asked = (
        f"select s.name from schedule s where s.name = any(:names) and ({_AFFECTED[action]}) order by 1"  # noqa: S608
    )
    return list(connection.execute(text(asked), {"names": list(names)}).scalars())


def apply(
    connection: Connection,
    chosen: Filter | Sequence[str],
    action: str,
    values: Mapping[str, Any] | None = None,
    expected: int | None = None,
) -> tuple[uuid.UUID, int]:
    """Do it; the operation's id and how many schedules it reached.

    ``expected``: as many as the preview counted; 412 when there are others by now.
    """
    given = dict(values or {})
    names = affected_of(connection, chosen_names(connection, chosen), action)
    if expected is not None and expected != len(names):
        raise refuse(
            412,
            f"{count_words(len(names), 'schedule')} would change by now, not {expected}",
            "Look at the preview again.",
        )
    operation = uuid.uuid4()
    connection.execute(_OPERATION, {"operation": str(operation)})
    if names:
        _act(connection, action, names, given)
    connection.execute(_OPERATION, {"operation": ""})
    return operation, len(names)


def _act(connection: Connection, action: str, names: list[str], given: dict[str, Any]) -> None:
    why = given.get("why") or None
    if action == "pause":
        until = given.get("until") or None
        if not connection.execute(_ENDS_LATER, {"until": until}).scalar_one():
            raise refuse(422, "a pause must end in the future", column="until")
        connection.execute(_PAUSE, {"names": names, "why": why, "until": until})
    elif action == "resume":
        connection.execute(_RESUME, {"names": names})
    elif action == "run":
        connection.execute(_RUN, {"names": names, "why": why})
    elif action in {"enable", "disable"}:
        connection.execute(_ENABLE, {"names": names, "enabled": action == "enable"})
    else:
        _set(connection, names, given)


def _set(connection: Connection, names: list[str], given: dict[str, Any]) -> None:
    """One column of each; the first refusal, by its schedule's name, refuses all."""
    column = given.get("column")
    if not isinstance(column, str) or column == "name":
        raise refuse(422, "name one column and its value", column="column")
    value = {column: given.get("value")}
    for name in names:
        writes.update_schedule(connection, name, value)


def resume_operation(connection: Connection, operation: uuid.UUID) -> tuple[uuid.UUID, int]:
    """Resume exactly what that operation paused and nobody paused otherwise since."""
    names = list(connection.execute(_STILL_PAUSED, {"operation": operation}).scalars())
    return apply(connection, names, "resume")
