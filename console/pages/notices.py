"""Matches of rules, channels with a test, and the outbox with the reason of each wait."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from console.access import Visit
from console.pages import layout
from console.queries.lists import like
from console.refusals import Refused, attempt, refuse
from console.sql import statement
from tasks.watches import notices
from tasks.watches.registry import by_subject

router = APIRouter()
PAGE = 50
STATES = ("waiting", "sending", "sent", "dead")

_CHANNELS = statement("notices", "channels")
_OUTBOX = statement("notices", "outbox")
_MATCHES = statement("notices", "matches")


@router.get("/channels")
def channels(visit: Visit, tested: str = "") -> Response:
    rows = layout.dicts(visit.connection.execute(_CHANNELS))
    return layout.page(visit, "channels.html", rows=rows, tested=tested, refusal=None)


@router.post("/channels/{name}/test")
def test(visit: Visit, name: str) -> Response:
    """A test message, sent as every notice is; its answer appears in the outbox."""
    try:
        with attempt(visit.connection):
            visit.connection.execute(text("select send_test(:name)"), {"name": name})
    except Refused as refused:
        rows = layout.dicts(visit.connection.execute(_CHANNELS))
        refusal = refused.refusal
        return layout.page(
            visit, "channels.html", refusal.status, rows=rows, tested="", refusal=refusal
        )
    return RedirectResponse(f"/outbox?channel={name}", 303)


@router.get("/outbox")
def outbox(visit: Visit, state: str = "", channel: str = "", before: int | None = None) -> Response:
    given = {"state": state or None, "channel": channel or None, "before": before, "limit": PAGE + 1}
    rows = layout.dicts(visit.connection.execute(_OUTBOX, given))
    more = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
    given = {"state": state, "channel": channel}
    return layout.page(visit, "outbox.html", rows=rows[:PAGE], given=given, more=more, states=STATES)


@router.post("/outbox/{number}/resend")
def resend(visit: Visit, number: int) -> Response:
    """Try a notice once more that was given up."""
    with attempt(visit.connection):
        if not notices.resend(visit.connection, number):
            raise refuse(404, f"notice {number} was not given up")
    return RedirectResponse("/outbox", 303)


@router.get("/matches")
def matches(visit: Visit, rule: str = "", q: str = "", before: int | None = None) -> Response:
    given = {"rule": rule or None, "q": like(q) if q else None, "before": before, "limit": PAGE + 1}
    rows = layout.dicts(visit.connection.execute(_MATCHES, given))
    more = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
    slugs = {subject: layout.slug(watch) for subject, watch in by_subject().items()}
    return layout.page(visit, "matches.html", rows=rows[:PAGE], rule=rule, q=q, more=more, slugs=slugs)
