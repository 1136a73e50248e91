"""The sandbox's console: the console, and a page that breaks things and shows what holds.

`python -m sandbox.breaking --port N`; production images have no sandbox, and so no such page.
"""

import argparse
import json
import os
import signal
import time
import urllib.request
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from fastapi import APIRouter
from jinja2 import ChoiceLoader, FileSystemLoader
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from console.access import Visit, VisitOf
from console.app import create_app, server_of
from console.config import Config
from console.refusals import refuse
from console.sql import rows
from console.templating import PAGES, Form, environment, render
from sandbox import web
from workers import logs
from workers.settings import settings
from workers.text.statements import statements

router = APIRouter(prefix="/break", include_in_schema=False)
_SQL = {name: text(sql) for name, sql in statements(__file__).items()}
#: How long an upstream misbehaves (seconds).
LASTS = 30
#: Order to an imitation → words of its button.
ORDERS = {
    "retry_after": "answers 429",
    "down": "answers 500",
    "slow": "answers nothing for a minute",
    "challenge": "shows a challenge page",
}


@dataclass
class Fault:
    """What was broken last, and when."""

    words: str
    at: float
    #: Role whose next process ends it; None: the next run that succeeds does.
    role: str | None = None


_last: list[Fault] = []


@router.get("")
def page(visit: Visit) -> Response:
    connection = visit.connection
    upstreams = rows(connection, _SQL["upstreams"])
    return render(
        visit,
        "break.html",
        upstreams=[{**one, "judged": _judged(one["base_url"])} for one in upstreams],
        missing=connection.execute(_SQL["missing"]).scalar_one(),
        twice=connection.execute(_SQL["twice"]).scalar_one(),
        fault=_last[-1] if _last else None,
        recovered=_recovered(visit),
        orders=ORDERS,
        lasts=LASTS,
    )


def _recovered(visit: VisitOf) -> float | None:
    """Seconds from the last fault to the first sign that it is over."""
    if not _last:
        return None
    statement = _SQL["back"] if _last[-1].role else _SQL["well"]
    given: dict[str, Any] = {"at": _last[-1].at}
    if _last[-1].role:
        given["role"] = _last[-1].role
    found = visit.connection.execute(statement, given).scalar_one()
    return None if found is None else max(0.0, found.timestamp() - _last[-1].at)


def _judged(base_url: str) -> dict[str, Any] | None:
    parts = urlsplit(base_url)
    try:
        with web.direct.open(f"http://{parts.netloc}/_violations", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, HTTPException, ValueError):
        return None


@router.post("/{what}")
def strike(visit: Visit, what: str, form: Form) -> Response:
    if not visit.person.may_write:
        raise refuse(403, "a viewer may break nothing; log in as an operator")
    if what in {"beat", "worker"}:
        row = visit.connection.execute(_SQL["process"], {"role": what}).one_or_none()
        if row is None:
            raise refuse(409, f"no {what} runs at the moment")
        os.kill(row.pid, signal.SIGKILL)
        _last.append(Fault(f"kill -9 of {row.name}", time.time(), what))
    elif what == "redis":
        redis.Redis.from_url(settings().broker_url.get_secret_value()).flushall()
        _last.append(Fault("everything in Redis deleted", time.time()))
    elif what == "postgres":
        os.kill(_postmaster(), signal.SIGINT)
        _last.append(Fault("Postgres stopped; the sandbox starts it again", time.time()))
    elif what in ORDERS or what == "well":
        _order(visit, form.get("upstream", ""), what)
    else:
        raise refuse(404, f"nothing here breaks {what}")
    return RedirectResponse("/break", 303)


def _order(visit: VisitOf, name: str, what: str) -> None:
    found = {row.name: row.base_url for row in visit.connection.execute(_SQL["upstreams"])}
    if name not in found:
        raise refuse(404, f"there is no imitation of {name}")
    order = dict.fromkeys(ORDERS, 0) if what == "well" else {what: 60 if what == "slow" else LASTS}
    request = urllib.request.Request(
        f"http://{urlsplit(found[name]).netloc}/_control", json.dumps(order).encode(), method="POST"
    )
    web.direct.open(request, timeout=5).close()
    _last.append(Fault(f"{name} {ORDERS.get(what, 'is well again')}", time.time()))


def _postmaster() -> int:
    data = Path(os.environ["WATCHKEEPER_HEARTBEAT_DIR"]).parent
    for file in data.glob("postgres*/postmaster.pid"):
        return int(file.read_text().split()[0])
    raise refuse(409, "Postgres does not run at the moment")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.breaking", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    logs.configure_service()
    config = replace(Config.from_settings(), port=parser.parse_args().port)
    app = create_app(config)
    app.include_router(router)
    made = environment()
    assert made.loader is not None
    made.loader = ChoiceLoader([made.loader, FileSystemLoader(Path(__file__).parent / "templates")])
    made.globals["pages"] = (*PAGES, ("/break", "Break"))
    app.state.database.check_login()
    server = server_of(app, config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    raise SystemExit(main())
