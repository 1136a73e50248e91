"""The pages for people; every one of them needs a login."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from console.access import Visit
from console.templating import render

router = APIRouter()


@router.get("/")
def home(visit: Visit) -> Response:
    return render(visit, "home.html")
