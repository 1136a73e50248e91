"""`/api/v1`: what the pages do, for programs."""

from typing import Any

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer

from console.access import Visit
from console.refusals import PROBLEM
from console.routes import overview, runs, schedules, tables, watches

_WORDS = {
    400: "No JSON",
    401: "Nobody is logged in", 403: "More than this person may do", 404: "Not there",
    409: "There is one already", 412: "Changed meanwhile", 413: "Too great",
    422: "Refused, with the reason", 428: "If-Match is missing", 503: "Postgres is away",
}  # fmt: skip
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": words,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, words in _WORDS.items()
}

router = APIRouter(
    prefix="/api/v1",
    responses=_PROBLEMS,
    dependencies=[Security(HTTPBearer(auto_error=False, description="An API token: wk_…"))],
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
