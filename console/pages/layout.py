"""What all pages share: forms, and what follows when one is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import VisitOf
from console.refusals import Refusal, Refused, attempt


def word(form: Mapping[str, Sequence[str]], name: str) -> str:
    """The last value of a field; empty when it was not sent."""
    return (form.get(name) or ("",))[-1]


async def form_of(request: Request) -> Mapping[str, list[str]]:
    """The form that was sent: name → its values; files are left out."""
    found: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value.replace("\0", ""))
    return found


Form = Annotated[Mapping[str, list[str]], Depends(form_of)]


def done(visit: VisitOf, act: Callable[[], str], again: Callable[[Refusal], Response]) -> Response:
    """Do it and go on to the address that it returns; the page is drawn ``again`` with a refusal."""
    try:
        with attempt(visit.connection):
            return RedirectResponse(act(), 303)
    except Refused as refused:
        return again(refused.refusal)
