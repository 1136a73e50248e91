"""What needs no login: `/live`, `/ready`, logging in and out; and what people do about themselves."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console import sql
from console.access import Visit, VisitOf, act_as, config_of, database_of, visiting
from console.config import LOOPBACK, Config
from console.refusals import refuse
from console.security import credentials, passwords
from console.security.guard import client_address
from console.templating import Form, drawn_again, render, rendered

log = structlog.stdlib.get_logger("console")
router = APIRouter(include_in_schema=False)

#: The name of the limit of tries for those who are logged in.
_OF_SESSION = "password of a session"


#: Few logins at once: each holds a thread while its password is computed.
Slot = Depends(lambda: None, max_concurrency=8)


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


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - its name in the address
    sent = getattr(request.state, "sent", {})
    given = {"next": local(sent.get("next", "") or next), "name": sent.get("name", "")}
    return rendered(request, "login.html", **given)


@router.post("/login", dependencies=[Slot, drawn_again()])
def log_in(request: Request, form: Form) -> Response:
    name = form.get("name", "").strip()
    address, password = client_address(request.scope), form.get("password", "")
    _check(request, name, password, address, "Name or password is wrong.")
    log.info("login.succeeded", person=name, address=address)
    with database_of(request).transaction() as connection:
        return _enter(request, connection, name, local(form.get("next", "") or "/"))


def _check(request: Request, name: str, password: str, place: str, wrong: str) -> None:
    """Refuse a password that is ``wrong``, or tried too often from that place."""
    address = client_address(request.scope)
    with database_of(request).transaction() as connection:
        # Counted before the password is looked at.
        allowed = sql.rows(connection, "people.try", **credentials.tried(name, place))
        found = sql.first(connection, "people.may_log_in", name=name)
    if not allowed:
        log.warning("login.delayed", address=address)
        raise refuse(429, "Too many failed tries. Try again in a minute.")
    try:
        good = passwords.matches(password, found["password"] if found else None)
    except passwords.Busy:
        raise refuse(429, "Too many people log in at once. Try again in a minute.") from None
    if not good or found is None or found["disabled"]:
        log.warning("login.failed", address=address)
        raise refuse(403, wrong)
    with database_of(request).transaction() as connection:
        sql.execute(connection, "people.succeeded", **credentials.tried(name, place))


def _cookie(config: Config) -> dict[str, Any]:
    kept = {"path": "/", "secure": config.is_secure, "httponly": True, "samesite": "lax"}
    return {"key": config.cookie, **kept}


def _enter(request: Request, connection: Connection, name: str, to: str) -> Response:
    """A new session for ``name``, in the browser's cookie."""
    config, address = config_of(request), client_address(request.scope)
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


@router.post("/link/{secret}", dependencies=[drawn_again("/login")])
def follow_link(request: Request, secret: str) -> Response:
    address = client_address(request.scope)
    if not (config_of(request).is_loopback and address in LOOPBACK):
        log.warning("link.refused", address=address)
        raise refuse(403, "Links work on loopback.")
    with database_of(request).transaction() as connection:
        # It is used up.
        if person := sql.first(connection, "people.link", hash=credentials.hash_of(secret)):
            return _enter(request, connection, person["name"], "/")
    raise refuse(403, "This link was used or is too old.", "Another: .sandbox/link")


def _own(visit: Visit) -> VisitOf:
    """Go on as the console's own login, which alone reaches people and tokens."""
    visit.connection.exec_driver_sql("set local role none")
    return visit


Own = Annotated[VisitOf, Depends(_own)]


def _account(visit: VisitOf, status: int = 200, secret: str | None = None) -> Response:
    tokens = sql.rows(visit.connection, "people.tokens", person=visit.person.name)
    return render(visit, "account.html", status, tokens=tokens, secret=secret)


@router.get("/account")
def account(visit: Own) -> Response:
    return _account(visit)


@router.post("/account/password", dependencies=[Slot, drawn_again("/account")])
def change_password(request: Request, form: Form) -> Response:
    """A new password ends every session, this one too."""
    with visiting(request) as visit:
        who = visit.person.name
    # Computed without a connection, for which others may wait.
    _check(request, who, form.get("old", ""), _OF_SESSION, "The old password is wrong.")
    try:
        made = passwords.hashed(form.get("new", ""))
    except passwords.Weak as weak:
        raise refuse(422, f"Not changed: {weak}.") from weak
    with visiting(request) as visit:
        sql.execute(_own(visit).connection, "people.change_password", name=who, password=made)
    log.info("password.changed", person=who)
    return RedirectResponse("/login", 303)


@router.post("/account/tokens", dependencies=[drawn_again("/account")])
def make_token(visit: Own, form: Form) -> Response:
    title, role, days = (form.get(name, "") for name in ("title", "role", "days"))
    if not days.isdecimal() or not 1 <= int(days) <= 366:
        raise refuse(422, "A token is good for 1 to 366 days.")
    made = credentials.make_token(visit.connection, visit.person, title, role, int(days))
    log.info("token.made", person=visit.person.name, token=made[0])
    return _account(visit, 201, made[1])


@router.post("/account/tokens/{number}/revoke")
def revoke_token(visit: Own, number: int) -> Response:
    sql.execute(visit.connection, "people.revoke_token", person=visit.person.name, id=number)
    log.info("token.revoked", person=visit.person.name, token=number)
    return RedirectResponse("/account", 303)


def local(path: str) -> str:
    """A path of ours to go on to; anything else is the first page."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_ours and path.isprintable() else "/"
