"""Serves the console with uvicorn until a signal ends it."""

from __future__ import annotations

from dataclasses import replace

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from console.app import create_app
from console.config import Config, WrongSetting
from console.database import WrongLogin
from workers import logs

log = structlog.stdlib.get_logger("console")


def serve(bind: str | None, port: int | None) -> int:
    logs.configure_service()
    try:
        config = Config.from_settings()
        config = replace(config, bind=bind or config.bind, port=port or config.port)
        app = create_app(config)
        app.state.database.check_login()
    except (WrongSetting, WrongLogin) as error:
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
    """Uvicorn with our logging; whom a proxy names, `console.security.guard` decides."""
    given = uvicorn.Config(
        app, host=config.bind, port=config.port, log_config=None, access_log=False,
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=5,
    )  # fmt: skip
    return uvicorn.Server(given)
