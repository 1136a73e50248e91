"""What needs no login: `/live`, `/ready`, logging in and out; and what people do about themselves."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console import sql
from console.access import Visit, VisitOf, config_of, database_of
from console.config import LOOPBACK, Config
from console.database import act_as
from console.refusals import Refused, attempt
from console.security import credentials, passwords
from console.templating import render, rendered

log = structlog.stdlib.get_logger("console")
router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form()]
#: The name of the limit of tries for those who are logged in.
_OF_SESSION = "password of a session"


def _slot() -> None:
    """Few logins at once: each holds a thread while its password is computed."""


Slot = Depends(_slot, max_concurrency=8)


@router.get("/live")
async def live() -> Response:
    return PlainTextResponse("live\n")


@router.get("/ready")
def ready(request: Request) -> Response:
    """Whether pages can be served: Postgres answers and lets us act for people."""
    try:
        with database_of(request).transaction() as connection:
            sql.rows(connection, "people.may_log_in", name="")
            act_as(connection, "viewer", "", "console")
            connection.execute(text("select from pause_switch"))
    except SQLAlchemyError:
        return PlainTextResponse("unready\n", 503)
    return PlainTextResponse("ready\n")


def _login(request: Request, status: int = 200, **given: Any) -> Response:
    shown = {"next": "/", "name": "", "problem": None, **given}
    return rendered(request, "login.html", status, **shown)


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - its name in the address
    return _login(request, next=local(next))


@router.post("/login", dependencies=[Slot])
def log_in(
    request: Request, name: Text = "", password: Text = "", next: Text = "/"  # noqa: A002
) -> Response:  # fmt: skip
    name, address = name.replace("\0", "").strip(), request.scope["client_address"]
    problem, status = _refusal(request, name, password, address)
    if problem is not None:
        page = _login(request, status, next=local(next), name=name, problem=problem)
        if status == 429:
            page.headers["retry-after"] = "60"
        return page
    log.info("login.succeeded", person=name, address=address)
    with database_of(request).transaction() as connection:
        credentials.succeeded(connection, name, address)
        return _enter(request, connection, name, local(next))


def _refusal(request: Request, name: str, password: str, address: str) -> tuple[str | None, int]:
    """Why this login is refused, and with which status."""
    with database_of(request).transaction() as connection:
        # Counted before the password is looked at.
        allowed = credentials.may_try(connection, name, address)
        found = sql.first(connection, "people.may_log_in", name=name)
    if not allowed:
        log.warning("login.delayed", address=address)
        return "Too many failed logins. Try again in a minute.", 429
    try:
        good = passwords.matches(password, found["password"] if found else None)
    except passwords.Busy:
        return "Too many people log in at once. Try again in a minute.", 429
    if not good or found is None or found["disabled"]:
        log.warning("login.failed", address=address)
        return "Name or password is wrong.", 403
    return None, 200


def _cookie(config: Config) -> dict[str, Any]:
    kept = {"path": "/", "secure": config.is_secure, "httponly": True, "samesite": "lax"}
    return {"key": config.cookie, **kept}


def _enter(request: Request, connection: Connection, name: str, to: str) -> Response:
    """A new session for ``name``, in the browser's cookie."""
    config, address = config_of(request), request.scope["client_address"]
    secret = credentials.start_session(connection, name, address, config.session_hours)
    answer = RedirectResponse(to, 303)
    age = int(credentials.MAX_AGE.total_seconds())
    answer.set_cookie(value=secret, max_age=age, **_cookie(config))
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    config = config_of(request)
    with database_of(request).transaction() as connection:
        credentials.end_session(connection, request.cookies.get(config.cookie, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(**_cookie(config))
    return answer


@router.get("/link/{secret}")
def link_page(request: Request, secret: str) -> Response:
    """A button: reading an address changes nothing."""
    return rendered(request, "link.html", secret=secret)


@router.post("/link/{secret}")
def follow_link(request: Request, secret: str) -> Response:
    address = request.scope["client_address"]
    if not (config_of(request).is_loopback and address in LOOPBACK):
        log.warning("link.refused", address=address)
        return _login(request, 403, problem="Links work on loopback.")
    with database_of(request).transaction() as connection:
        person = credentials.by_link(connection, secret)
        if person is not None:
            return _enter(request, connection, person, "/")
    return _login(request, 403, problem="This link was used or is too old.")


def _own(visit: Visit) -> VisitOf:
    """Go on as the console's own login, which alone reaches people and tokens."""
    visit.connection.exec_driver_sql("set local role none")
    return visit


Own = Annotated[VisitOf, Depends(_own)]


def _account(visit: VisitOf, status: int = 200, **given: str) -> Response:
    shown = {"problem": None, "secret": None, **given}
    tokens = sql.rows(visit.connection, "people.tokens", person=visit.person.name)
    return render(visit, "account.html", status, tokens=tokens, **shown)


@router.get("/account")
def account(visit: Own) -> Response:
    return _account(visit)


@router.post("/account/password")
def change_password(visit: Own, old: Text = "", new: Text = "") -> Response:
    """A new password ends every session, this one too."""
    who = visit.person.name
    if not credentials.may_try(visit.connection, who, _OF_SESSION):
        return _account(visit, 429, problem="Too many tries. Try again in a minute.")
    stored = sql.rows(visit.connection, "people.may_log_in", name=who)[0]
    if not passwords.matches(old, stored["password"]):
        return _account(visit, 403, problem="The old password is wrong.")
    try:
        made = passwords.hashed(new)
    except passwords.Weak as weak:
        return _account(visit, 422, problem=f"Not changed: {weak}.")
    sql.execute(visit.connection, "people.change_password", name=who, password=made)
    credentials.succeeded(visit.connection, who, _OF_SESSION)
    log.info("password.changed", person=who)
    return RedirectResponse("/login", 303)


@router.post("/account/tokens")
def make_token(visit: Own, title: Text = "", role: Text = "viewer", days: Text = "90") -> Response:
    if not days.isdecimal() or not 1 <= int(days) <= 366:
        return _account(visit, 422, problem="A token is good for 1 to 366 days.")
    try:
        with attempt(visit.connection):
            made = credentials.make_token(visit.connection, visit.person, title, role, int(days))
    except Refused as refused:
        return _account(visit, refused.refusal.status, problem=refused.refusal.message)
    log.info("token.made", person=visit.person.name, token=made[0])
    return _account(visit, 201, secret=made[1])


@router.post("/account/tokens/{number}/revoke")
def revoke_token(visit: Own, number: int) -> Response:
    sql.execute(visit.connection, "people.revoke_token", person=visit.person.name, id=number)
    log.info("token.revoked", person=visit.person.name, token=number)
    return RedirectResponse("/account", 303)


def local(path: str) -> str:
    """A path of ours to go on to; anything else is the first page."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_ours and path.isprintable() else "/"
