"""The sandbox's console: the console, and a page that breaks things and shows what holds.

`python -m sandbox.breaking --port N`; production images have no sandbox, and so no such page.
"""

from __future__ import annotations

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
from console.templating import PAGES, Form, environment, render, word
from workers import logs
from workers.settings import settings

router = APIRouter(prefix="/break", include_in_schema=False)
#: How long an upstream misbehaves (seconds).
LASTS = 30
#: Order to an imitation → words of its button.
ORDERS = {
    "retry_after": "answers 429",
    "down": "answers 500",
    "slow": "answers nothing for a minute",
    "challenge": "shows a challenge page",
}
_PROCESS = text("""
select (detail ->> 'pid')::integer as pid, name from heartbeat
 where role = :role and not detail ? 'ended' and seen_at > clock_timestamp() - interval '5 seconds'
 order by random() limit 1
""")
_UPSTREAMS = text(
    "select name, base_url from upstream where base_url like 'http://127.0.0.1:%' order by name"
)
#: Due times of the grid since each schedule was last edited, against those that runs account for.
_MISSING = text("""
select coalesce(sum(greatest(0, expected - covered)), 0)::bigint as missing
  from (select round(extract(epoch from max(r.due_at) - min(r.due_at)) / extract(epoch from s.every)) as expected,
               sum(r.covers_count) - (array_agg(r.covers_count order by r.due_at))[1] as covered
          from schedule s join run r on r.schedule = s.name
         where s.enabled and s.every is not null and s.calendar is null and r.trigger = 'schedule'
           and coalesce(r.covers_from, r.due_at) > s.updated_at
         group by s.name, s.every) each
""")
_TWICE = text("""
select count(*) from (select from run where trigger = 'schedule' group by schedule, due_at having count(*) > 1) twice
""")
_WELL = text(
    "select min(finished_at) from run where state = 'succeeded' and started_at > to_timestamp(:at)"
)
_BACK = text("""
select min(started_at) from heartbeat where role = :role and started_at > to_timestamp(:at)
""")


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
    upstreams = rows(connection, _UPSTREAMS)
    return render(
        visit,
        "break.html",
        upstreams=[{**one, "judged": _judged(one["base_url"])} for one in upstreams],
        missing=connection.execute(_MISSING).scalar_one(),
        twice=connection.execute(_TWICE).scalar_one(),
        fault=_last[-1] if _last else None,
        recovered=_recovered(visit),
        orders=ORDERS,
        lasts=LASTS,
    )


def _recovered(visit: VisitOf) -> float | None:
    """Seconds from the last fault to the first sign that it is over."""
    if not _last:
        return None
    statement = _BACK if _last[-1].role else _WELL
    given: dict[str, Any] = {"at": _last[-1].at}
    if _last[-1].role:
        given["role"] = _last[-1].role
    found = visit.connection.execute(statement, given).scalar_one()
    return None if found is None else max(0.0, found.timestamp() - _last[-1].at)


def _judged(base_url: str) -> dict[str, Any] | None:
    parts = urlsplit(base_url)
    try:
        with urllib.request.urlopen(f"http://{parts.netloc}/_violations", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, HTTPException, ValueError):
        return None


@router.post("/{what}")
def strike(visit: Visit, what: str, form: Form) -> Response:
    if not visit.person.may_write:
        raise refuse(403, "a viewer may break nothing; log in as an operator")
    if what in {"beat", "worker"}:
        row = visit.connection.execute(_PROCESS, {"role": what}).one_or_none()
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
        _order(visit, word(form, "upstream"), what)
    else:
        raise refuse(404, f"nothing here breaks {what}")
    return RedirectResponse("/break", 303)


def _order(visit: VisitOf, name: str, what: str) -> None:
    found = {row.name: row.base_url for row in visit.connection.execute(_UPSTREAMS)}
    if name not in found:
        raise refuse(404, f"there is no imitation of {name}")
    order = dict.fromkeys(ORDERS, 0) if what == "well" else {what: 60 if what == "slow" else LASTS}
    request = urllib.request.Request(
        f"http://{urlsplit(found[name]).netloc}/_control", json.dumps(order).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=5).close()
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
