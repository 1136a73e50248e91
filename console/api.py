"""`/api/v1`: what the pages do, for programs."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.dependencies.utils import get_flat_params
from fastapi.security import HTTPBearer
from starlette.requests import Request

from console.access import Visit
from console.refusals import PROBLEM, refuse
from console.routes import overview, runs, schedules, tables, watches

_WORDS = {
    400: "No JSON",
    401: "Nobody is logged in", 403: "More than this person may do", 404: "Not there",
    409: "There is one already", 412: "Changed meanwhile", 413: "Too great", 415: "Not sent as JSON",
    422: "Refused, with the reason", 428: "If-Match is missing", 503: "Postgres is away",
}  # fmt: skip
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": words,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, words in _WORDS.items()
}


def _require_known_parameters(request: Request) -> None:
    """A filter with a typing error would choose everything."""
    known = [one.alias for one in get_flat_params(request.scope["route"].dependant)]
    for name in request.query_params:
        if name not in known:
            raise refuse(422, f"there is no parameter {name}", column=name)


router = APIRouter(
    prefix="/api/v1",
    responses=_PROBLEMS,
    dependencies=[
        Security(HTTPBearer(auto_error=False, description="An API token: wk_…")),
        Depends(_require_known_parameters),
    ],
)
for part in (schedules, runs, overview, watches, tables):
    router.include_router(part.api)


@router.get("/openapi.json", include_in_schema=False)
def openapi(visit: Visit) -> dict[str, Any]:
    return document(visit.request.app)


def document(app: FastAPI) -> dict[str, Any]:
    made = app.openapi()
    problem = PROBLEM.json_schema(mode="serialization")
    made["components"]["schemas"]["Problem"] = {**problem, "title": "Problem"}
    return made
