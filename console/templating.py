"""Jinja2 as all pages use it: escaped always, no value without a name."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console import filters
from console.access import VisitOf

HERE = Path(__file__).parent
STATIC = HERE / "static"


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = asset
    filters.install(made)
    return made


@cache
def asset(name: str) -> str:
    """Address of a static file; it changes with the file, which browsers may therefore keep."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:16]}"


def render(visit: VisitOf, template: str, status_code: int = 200, **context: Any) -> Response:
    """A page for the person who is logged in."""
    return rendered(visit.request, template, status_code, person=visit.person, visit=visit, **context)


def rendered(request: Request, template: str, status_code: int = 200, **context: Any) -> Response:
    """A page, also for nobody in particular (``person`` is None)."""
    given = {"person": None, "request": request, "path": request.url.path, **context}
    return HTMLResponse(environment().get_template(template).render(given), status_code)
