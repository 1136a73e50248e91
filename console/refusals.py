"""What the database refuses, as pages and API show it: its own message, hint and column."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from workers.connections.postgres import READ_ONLY, READ_ONLY_WORDS
from workers.db import is_passing
from workers.redaction import redact
from workers.text.misfits import misfit, taken

#: Where programs ask.
API = "/api/"
#: SQLSTATEs, or classes of them, and the HTTP status that says the same.
_STATUS = {
    "42501": 403,
    "WK412": 412,
    "P0002": 404,
    "23505": 409,
    **dict.fromkeys(("22", "23", "P0", "42", "0A"), 422),
}
_FORBIDDEN = re.compile(r"permission denied for (?:table|view|sequence|relation|schema) (\S+)")
#: "every: no months …", "max_runs must be …".
_COLUMN = re.compile(r"([a-z_]+)(?=: | must | cannot )")
_REASON = text("select require_operator(to_regclass(:name), 'change')")


@dataclass(frozen=True)
class Refusal:
    """Why something was not done, with the database's own words; RFC 9457 calls it a problem."""

    status: int
    message: Annotated[str, Field(serialization_alias="title")]
    detail: str | None = None
    hint: str | None = None
    column: str | None = None
    constraint: str | None = None
    sqlstate: str | None = None
    type: str = "about:blank"

    def as_problem(self, headers: Mapping[str, str] | None = None) -> Response:
        body = PROBLEM.dump_json(self, by_alias=True, exclude_none=True)
        return Response(body, self.status, headers, media_type="application/problem+json")


PROBLEM = TypeAdapter(Refusal)


class Refused(Exception):
    """Nothing was changed, and why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refuse(status: int, message: str, hint: str | None = None, column: str | None = None) -> Refused:
    return Refused(Refusal(status, message, hint=hint, column=column))


def require_known(column: str, given: str | None, *known: str) -> None:
    if given and given not in known:
        raise refuse(422, f'no {column} "{given}"', f"One of {', '.join(known)}.", column)


def refusal_of(error: DBAPIError) -> Refusal:
    """The database's words for an error of a statement."""
    diag: Any = getattr(error.orig, "diag", None)
    state = getattr(error.orig, "sqlstate", None)
    if state == READ_ONLY:
        return Refusal(503, READ_ONLY_WORDS[0], hint=READ_ONLY_WORDS[1], sqlstate=state)
    if is_passing(error):
        return Refusal(503, "the database is busy or away; try again", sqlstate=state)
    if state is None:
        # The driver refused a value: text with a NUL, a number too great.
        return Refusal(422, redact(str(error.orig)).partition("\n")[0])
    status = _STATUS.get(state) or _STATUS.get(state[:2])
    if status is None:
        return Refusal(500, "the statement failed", sqlstate=state)
    if state.startswith("22") and (wrong := misfit(diag.message_primary or "")):
        column = _column_of(error.params, wrong.value)
        return Refusal(status, str(wrong), hint=wrong.hint, column=column, sqlstate=state)
    constraint: str | None = diag.constraint_name
    if state == "23505" and (said := taken(diag.table_name, diag.message_detail)):
        return Refusal(status, said[0], column=said[1], constraint=constraint, sqlstate=state)
    # The name of a CHECK is its message; the detail of the others repeats the row or its key.
    is_check = state == "23514" and constraint
    begins = _COLUMN.match(constraint or "")
    return Refusal(
        status,
        constraint if is_check and constraint else diag.message_primary or "refused",
        detail=None if is_check or state in {"23502", "23505"} else diag.message_detail,
        hint=diag.message_hint,
        column=diag.column_name or (begins and begins[1]),
        constraint=constraint,
        sqlstate=state,
    )


def _column_of(given: Any, value: str | None) -> str | None:
    """The column of the parameter (console/rows.py) that has the value: Postgres names none."""
    pairs = given.items() if value is not None and isinstance(given, Mapping) else ()
    return next((name.rstrip("0123456789").rstrip("_") for name, one in pairs if one == value), None)


@contextmanager
def attempt(connection: Connection, *, keep: bool = True) -> Iterator[None]:
    """A savepoint whose refusal by the database is raised as Refused; the transaction goes on."""
    try:
        with connection.begin_nested() as savepoint:
            yield
            if not keep:
                savepoint.rollback()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise Refused(explained(connection, refusal_of(error))) from error


def explained(connection: Connection, refusal: Refusal) -> Refusal:
    """A viewer's refusal with its reason: a missing grant fires no trigger that could give one."""
    found = _FORBIDDEN.match(refusal.message) if refusal.status == 403 else None
    if found is not None:
        try:
            with connection.begin_nested():
                connection.execute(_REASON, {"name": found[1]})
        except DBAPIError as error:
            return refusal_of(error)
    return refusal
