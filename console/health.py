"""`/live` and `/ready`: one word each, without a login."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from console.access import database_of
from console.database import act_as

router = APIRouter(include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    return PlainTextResponse("live\n")


@router.get("/ready")
def ready(request: Request) -> Response:
    """Whether pages can be served: Postgres answers and lets us act for people."""
    try:
        with database_of(request).transaction() as connection:
            connection.execute(text("select from console.person limit 1"))
            act_as(connection, "viewer", "", "console")
            connection.execute(text("select from pause_switch"))
    except SQLAlchemyError:
        return PlainTextResponse("unready\n", 503)
    return PlainTextResponse("ready\n")
