"""`Idempotency-Key`: what starts something is started once, however often it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header
from starlette.responses import JSONResponse, Response

from console.access import Visit
from console.database import act_as
from console.refusals import refuse
from console.sql import statement

Key = Annotated[
    str | None,
    Header(
        alias="idempotency-key", min_length=1, max_length=200, description="Repeats are not done again"
    ),
]
#: Waits for another request with the same key; its answer is then there.
_TAKE = statement("once", "take")
_FOUND = statement("once", "found")
_KEEP = statement("once", "keep")
_FORGET = statement("once", "forget")


def once(
    visit: Visit, key: str | None, asked: Any, act: Callable[[], Any], status: int = 202
) -> Response:
    """Do it and answer; with a key that was used, answer as then. The key is kept for a day."""
    if key is None:
        return JSONResponse(act(), status)
    path = visit.request.url.path
    fingerprint = hashlib.sha256(json.dumps([path, asked], default=str).encode()).digest()
    given = {"person": visit.person.name, "key": key, "fingerprint": fingerprint}
    connection = visit.connection
    connection.exec_driver_sql("set local role none")
    connection.execute(_FORGET)
    if connection.execute(_TAKE, given).first() is None:
        found = connection.execute(_FOUND, given).one()
        if found.fingerprint != fingerprint:
            raise refuse(
                422, "this Idempotency-Key was used for another request", column="idempotency-key"
            )
        return JSONResponse(found.answer, found.status, {"idempotent-replayed": "true"})
    act_as(connection, visit.person.role, visit.person.name, "console api")
    answer = act()
    connection.exec_driver_sql("set local role none")
    connection.execute(_KEEP, {**given, "status": status, "answer": json.dumps(answer, default=str)})
    return JSONResponse(answer, status)
