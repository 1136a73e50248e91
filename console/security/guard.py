"""What every request must look like and what every response carries, whatever answers it."""

from __future__ import annotations

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.config import Config

log = structlog.stdlib.get_logger("console")

MAX_BODY = 1_000_000
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Checks of health come from load balancers, by any name.
_ANY_HOST = frozenset({"/live", "/ready"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with it, browsers send "Origin: null" with forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """ASGI middleware: refuses foreign hosts, cross-site writes and great bodies; adds headers."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config
        self._headers = dict(_HEADERS)
        if config.is_secure:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _log_refusal(scope, message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        scope["client_address"] = client_address(scope, self._config)
        scope["is_logged"] = False
        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, guarded)
            return
        try:
            await self._app(scope, _limited(receive), guarded)
        except Exception as error:
            # A traceback on a terminal takes seconds to draw: other requests go on meanwhile.
            await run_in_threadpool(log.error, "request.failed", method=scope["method"], exc_info=error)
            if started:
                raise
            await _answer(scope, 500, "something went wrong; the log says what")(
                scope, receive, guarded
            )

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        path = scope["path"]
        if path not in _ANY_HOST and not self._config.knows_host(headers.get("host", "")):
            return _refuse(scope, 421, "unknown host", "this console is not known by that name")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return _refuse(scope, 413, "great body", f"a body has at most {MAX_BODY} bytes")
        if scope["method"] not in _SAFE and not self._is_own_write(headers, path):
            return _refuse(
                scope, 403, "cross-site write", "this request did not come from the console's own pages"
            )
        return None

    def _is_own_write(self, headers: Headers, path: str) -> bool:
        """A browser's write comes from our own pages; a program's carries a token."""
        if path.startswith("/api/"):
            if headers.get("authorization", "").lower().startswith("bearer "):
                return True
            if self._config.cookie not in headers.get("cookie", ""):
                return True  # nobody's: asked to log in
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        return headers.get("origin") in self._config.origins


def client_address(scope: Scope, config: Config) -> str:
    """Who asks: the peer, or whom the last of our proxies names."""
    address = str(scope["client"][0]) if scope.get("client") else ""
    named = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    hops = [one.strip() for one in named.split(",") if one.strip()]
    while hops and config.trusts(address):
        address = hops.pop()
    return address


def _refuse(scope: Scope, status: int, why: str, words: str) -> Response:
    scope["is_logged"] = True
    log.warning("request.refused", why=why, method=scope["method"], address=scope["client_address"])
    return _answer(scope, status, words)


def _log_refusal(scope: Scope, status: int) -> None:
    """Every refusal leaves a line, without its address, which may hold a secret."""
    if status >= 400 and not scope["is_logged"]:
        log.info(
            "request.refused", status=status, method=scope["method"], address=scope["client_address"]
        )


def _answer(scope: Scope, status: int, words: str) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse(
            {"type": "about:blank", "title": words, "status": status},
            status,
            media_type="application/problem+json",
        )
    return PlainTextResponse(words + "\n", status)


def _limited(receive: Receive) -> Receive:
    """The body, no longer than allowed also where no length was given."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413, f"a body has at most {MAX_BODY} bytes")
        return message

    return limited
