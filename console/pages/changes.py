"""Changes: who, when, with what program, from what to what; undo."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from console import writes
from console.access import Visit, VisitOf
from console.pages import layout
from console.queries import changes
from console.refusals import Refusal, Refused, attempt

router = APIRouter(prefix="/changes")
PAGE = 50
_GIVEN = ("table", "name", "by", "since", "operation")


@router.get("")
def list_page(visit: Visit, before: int | None = None) -> Response:
    return _page(visit, before, None)


def _page(visit: VisitOf, before: int | None, refusal: Refusal | None) -> Response:
    given = {name: visit.request.query_params.get(name, "") for name in _GIVEN}
    operation = None
    with suppress(ValueError):
        operation = UUID(given["operation"])
    words = {name: given[name] or None for name in ("table", "name", "by")}
    chosen = changes.Filter(**words, since=layout.moment(given["since"]), operation=operation)
    found = changes.listed(visit.connection, chosen, PAGE, before)
    more = found.after[0] if found.after else None
    status = refusal.status if refusal else 200
    return layout.page(
        visit, "changes.html", status, rows=found.rows, given=given, more=more, refusal=refusal
    )


@router.post("/{number}/undo")
def undo(visit: Visit, number: int, form: layout.Form) -> Response:
    """A new edit that takes it back; refused where its columns changed since."""
    try:
        with attempt(visit.connection):
            made = writes.undo(visit.connection, number)
    except Refused as refused:
        return _page(visit, None, refused.refusal)
    to = layout.word(form, "next")
    if to.startswith("/schedules/"):
        return RedirectResponse(to, 303)
    return RedirectResponse(f"/changes#change-{made['id']}", 303)
