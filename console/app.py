"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console import api, login, pages
from console.access import API, LoginNeeded, config_of
from console.config import Config
from console.database import Database
from console.refusals import Refusal, Refused, refusal_of
from console.security.guard import Guard
from console.templating import STATIC, address, rendered

log = structlog.stdlib.get_logger("console")


class Static(StaticFiles):
    """Files whose address changes with them are kept by browsers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if answer.status_code == 200 and "v" in URL(scope=scope).query:
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def create_app(config: Config | None = None) -> FastAPI:
    """The console; ``config`` by default from the settings."""
    given = config or Config.from_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.database.close()

    app = FastAPI(
        title="Watchkeeper", lifespan=lifespan, middleware=[Middleware(Guard, config=given)],
        docs_url=None, redoc_url=None, openapi_url=None,
        # Names of a generated client's functions.
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.state.config = given
    app.state.database = Database(given.database_url)
    for module in (login, api):
        app.include_router(module.router)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", Static(directory=STATIC))
    _handle_errors(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(LoginNeeded)
    def _(request: Request, _: Exception) -> Response:
        return _ask_to_log_in(request)

    @app.exception_handler(Refused)
    def _(request: Request, error: Refused) -> Response:
        return answer(request, error.refusal)

    @app.exception_handler(SQLAlchemyError)
    def _(request: Request, error: SQLAlchemyError) -> Response:
        if not isinstance(error, DBAPIError):
            # No connection was free in time.
            return answer(request, Refusal(503, "the database is busy; try again"))
        refusal = refusal_of(error)
        if refusal.status >= 500:
            log.error("statement.failed", error=type(error.orig).__name__, sqlstate=refusal.sqlstate)
        return answer(request, refusal)

    @app.exception_handler(UnicodeEncodeError)
    def _(request: Request, _: Exception) -> Response:
        return answer(request, Refusal(422, "a text holds half of a character"))

    @app.exception_handler(ValidationError)
    @app.exception_handler(RequestValidationError)
    def _(request: Request, error: ValidationError | RequestValidationError) -> Response:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"]]
        where = ".".join(place[1:] or place)
        return answer(request, Refusal(422, f"{where}: {first['msg']}", column=where))

    @app.exception_handler(HTTPException)
    def _(request: Request, error: HTTPException) -> Response:
        return answer(request, Refusal(error.status_code, str(error.detail)), error.headers)


def answer(request: Request, refusal: Refusal, headers: Any = None) -> Response:
    """A refusal as a page, or to programs as RFC 9457 has it."""
    if refusal.status == 503:
        headers = {**(headers or {}), "retry-after": "5"}
    if request.url.path.startswith(API):
        body = {"type": "about:blank", "title": refusal.message, **refusal.as_dict()}
        del body["message"]
        made: Response = JSONResponse(
            body, refusal.status, headers, media_type="application/problem+json"
        )
    else:
        made = rendered(request, "error.html", refusal.status, refusal=refusal)
        made.headers.update(headers or {})
    return made


def _ask_to_log_in(request: Request) -> Response:
    if config_of(request).cookie in request.cookies or "authorization" in request.headers:
        log.warning("login.not_accepted", address=request.scope["client_address"])
    if request.url.path.startswith(API):
        refusal = Refusal(401, "a login is needed", hint="Authorization: Bearer wk_…")
        return answer(request, refusal, {"www-authenticate": "Bearer"})
    to = f"/login?next={quote(address(request))}" if request.method == "GET" else "/login"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    return RedirectResponse(to, 303)
