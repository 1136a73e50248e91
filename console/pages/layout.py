"""What all pages share: live parts, names in addresses, forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import CursorResult
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.access import VisitOf
from console.templating import environment, render
from tasks.watches.watch import Watch


def page(visit: VisitOf, template: str, status_code: int = 200, **context: Any) -> Response:
    """A whole page, or only its block ``live`` for a part of it that is fetched again."""
    made = environment().get_template(template)
    if "hx-request" not in visit.request.headers or "live" not in made.blocks:
        return render(visit, template, status_code, **context)
    given = made.new_context(
        {
            "person": visit.person,
            "visit": visit,
            "request": visit.request,
            "path": visit.request.url.path,
            **context,
        }
    )
    return HTMLResponse("".join(made.blocks["live"](given)), status_code)


def slug(watch: Watch) -> str:
    """The name of a watch in addresses: "job-postings"."""
    return re.sub(r"[^a-z0-9]+", "-", watch.plural.lower()).strip("-")


def moment(text: str) -> datetime | None:
    """A time as people or browsers write it, in UTC unless it says otherwise; None: unreadable."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text.strip())
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def dicts(result: CursorResult[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in result.mappings()]


def word(form: Mapping[str, Sequence[str]], name: str) -> str:
    """The last value of a field; empty when it was not sent."""
    values = form.get(name)
    return values[-1] if values else ""


async def form_of(request: Request) -> Mapping[str, list[str]]:
    """The form that was sent: name → its values; files are left out."""
    sent = await request.form()
    found: dict[str, list[str]] = {}
    for name, value in sent.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value.replace("\0", ""))
    return found


Form = Annotated[Mapping[str, list[str]], Depends(form_of)]
