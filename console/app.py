"""The ASGI application, and uvicorn, which serves it until a signal ends it."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware as BodyLimit
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from console import api, login
from console.access import Database, LoginNeeded, WrongLogin, config_of
from console.config import Config, WrongSetting
from console.refusals import API, Refusal, Refused, refusal_of
from console.routes import events, overview, runs, schedule, schedules, tables, watches
from console.security.guard import MAX_BODY, Guard, client_address
from console.templating import STATIC, address, rendered
from workers import logs
from workers.connections.places import NoPlace

log = structlog.stdlib.get_logger("console")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.database.close()


def create_app(config: Config | None = None) -> FastAPI:
    """The console; ``config`` by default from the settings."""
    given = config or Config.from_settings()
    app = FastAPI(
        title="Watchkeeper", lifespan=_lifespan,
        middleware=[Middleware(Guard, config=given), Middleware(BodyLimit, max_body_size=MAX_BODY)],
        docs_url=None, redoc_url=None, openapi_url=None,
        # Names of a generated client's functions.
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.state.config = given
    app.state.database = Database(given.database_url)
    app.state.hub = events.Hub(app.state.database)
    app.include_router(login.router)
    app.include_router(api.router)
    for module in (overview, events, runs, schedules, schedule, tables, watches):
        app.include_router(module.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(LoginNeeded, _ask_to_log_in)
    for kind in (Refused, SQLAlchemyError, UnicodeEncodeError, ValidationError, RequestValidationError,
                 HTTPException):  # fmt: skip
        app.add_exception_handler(kind, _refused)
    return app


def _refused(request: Request, error: Exception) -> Any:
    refusal, page = _refusal_of(error), getattr(request.state, "page", None)
    if page is None or request.method != "POST" or refusal.status >= 500:
        return answer(request, refusal, getattr(error, "headers", None))
    request.state.refusal = refusal

    async def drawn(scope: Scope, receive: Receive, send: Send) -> None:
        await request.app.router({**scope, "method": "GET", "path": page}, receive, send)

    return drawn


def _refusal_of(error: Exception) -> Refusal:
    match error:
        case Refused():
            return error.refusal
        case DBAPIError():
            refusal = refusal_of(error)
            if refusal.status >= 500:
                kind = type(error.orig).__name__
                log.error("statement.failed", error=kind, sqlstate=refusal.sqlstate)
            return refusal
        case UnicodeEncodeError():
            return Refusal(422, "a text holds half of a character")
        case ValidationError() | RequestValidationError():
            return _misfit_of(error)
        case HTTPException(status_code=400):
            return Refusal(400, "the body is not JSON that can be read")
        case HTTPException():
            return Refusal(error.status_code, str(error.detail))
    # No connection was free in time.
    return Refusal(503, "the database is busy; try again")


def _misfit_of(error: ValidationError | RequestValidationError) -> Refusal:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        return Refusal(400, f"the body is not JSON: {first['ctx']['error']} at character {place[-1]}")
    if isinstance(getattr(error, "body", None), bytes):
        return Refusal(415, "the body is not sent as JSON", hint="content-type: application/json")
    where = ".".join(place[1:] or place)
    return Refusal(422, f"{where}: {first['msg']}", column=where)


def answer(request: Request, refusal: Refusal, headers: Any = None) -> Response:
    """A refusal as a page, or to programs as RFC 9457 has it."""
    if refusal.status == 503:
        headers = {**(headers or {}), "retry-after": "5"}
    if request.url.path.startswith(API):
        return refusal.as_problem(headers)
    made = rendered(request, "error.html", refusal.status, refusal=refusal)
    made.headers.update(headers or {})
    return made


def _ask_to_log_in(request: Request, _: Exception) -> Response:
    if config_of(request).cookie in request.cookies or "authorization" in request.headers:
        log.warning("login.not_accepted", address=client_address(request.scope))
    if request.url.path.startswith(API):
        refusal = Refusal(401, "a login is needed", hint="Authorization: Bearer wk_…")
        return answer(request, refusal, {"www-authenticate": "Bearer"})
    if "hx-request" in request.headers:
        return Response(status_code=401)
    # Back to the page of a form that was not saved.
    slash, rest = request.headers.get("referer", "").partition("//")[2].partition("/")[1:]
    to = address(request) if request.method == "GET" else slash + rest
    return RedirectResponse(f"/login?next={quote(to)}" if to else "/login", 303)


def serve(bind: str | None, port: int | None) -> int:
    logs.configure_service()
    try:
        config = Config.from_settings()
        config = replace(config, bind=bind or config.bind, port=port or config.port)
        app = create_app(config)
        app.state.database.check_login()
    except (WrongSetting, WrongLogin, NoPlace) as error:
        log.error("console.refused", error=str(error))
        return 2
    except DBAPIError as error:
        # It serves all the same: /ready says when Postgres is there.
        log.warning("console.without_postgres", error=str(error.orig).strip())
    log.info("console.serving", address=config.address)
    server = server_of(app, config)
    server.run()
    return 0 if server.started else 1


def server_of(app: FastAPI, config: Config) -> uvicorn.Server:
    """Uvicorn with our logging; of ``X-Forwarded-For`` it believes what our proxies say."""
    given = uvicorn.Config(
        app, host=config.bind, port=config.port, log_config=None, access_log=False,
        forwarded_allow_ips=[str(one) for one in config.proxies],
        server_header=False, timeout_graceful_shutdown=5,
    )  # fmt: skip
    # A full collection of garbage would look at all that was imported, and hold up requests for 0.1 s.
    gc.freeze()
    return uvicorn.Server(given)
