"""What every request must look like and what every response carries, whatever answers it."""

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.config import Config
from console.refusals import API, Refusal

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
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware: refuses foreign hosts, cross-site writes and great bodies; adds headers."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config
        tls = {"strict-transport-security": "max-age=31536000"} if config.is_secure else {}
        self._headers = {**_HEADERS, **tls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        told = {"method": scope["method"], "address": client_address(scope)}
        refusal = self._refusal(scope)

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                # Every refusal leaves a line, without its address, which may hold a secret.
                if refusal is not None:
                    log.warning("request.refused", why=refusal.detail, **told)
                elif message["status"] >= 400:
                    log.info("request.refused", status=message["status"], **told)
                headers = MutableHeaders(scope=message)
                for name, value in self._headers_for(scope, message["status"]).items():
                    headers.setdefault(name, value)
            await send(message)

        if refusal is not None:
            await _answer(scope, refusal)(scope, receive, guarded)
            return
        # A HEAD is a GET of which the server leaves the body out; the stream of events has no end.
        read = scope["method"] == "HEAD" and scope["path"] != "/events"
        try:
            await self._app({**scope, "method": "GET"} if read else scope, receive, guarded)
        except Exception as error:
            # A traceback on a terminal takes seconds to draw: other requests go on meanwhile.
            await run_in_threadpool(log.error, "request.failed", method=scope["method"], exc_info=error)
            if started:
                raise
            failed = Refusal(500, "something went wrong; the log says what")
            await _answer(scope, failed)(scope, receive, guarded)

    def _headers_for(self, scope: Scope, status: int) -> dict[str, str]:
        # Browsers keep a file whose address changes with it.
        if status == 200 and scope["path"].startswith("/static/") and b"v=" in scope["query_string"]:
            return {**self._headers, "cache-control": "public, max-age=31536000, immutable"}
        return self._headers

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Why this request goes no further; the detail is for the log."""
        headers, path = Headers(scope=scope), scope["path"]
        if path not in _ANY_HOST and not self._config.knows_host(headers.get("host", "")):
            return Refusal(421, "this console is not known by that name", "unknown host")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return Refusal(413, f"a body has at most {MAX_BODY} bytes", "great body")
        if scope["method"] not in _SAFE and not self._is_own_write(headers, path):
            said = "this request did not come from the console's own pages"
            return Refusal(403, said, "cross-site write")
        return None

    def _is_own_write(self, headers: Headers, path: str) -> bool:
        """A browser's write comes from our own pages; a program's carries a token."""
        if path.startswith(API):
            if headers.get("authorization", "").lower().startswith("bearer "):
                return True
            if self._config.cookie not in headers.get("cookie", ""):
                return True  # nobody's: asked to log in
        site = headers.get("sec-fetch-site")
        return headers.get("origin") in self._config.origins if site is None else site == "same-origin"


def client_address(scope: Scope) -> str:
    """Who asks: the peer, or whom the last of our proxies names."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _answer(scope: Scope, refusal: Refusal) -> Response:
    if scope["path"].startswith(API):
        return Refusal(refusal.status, refusal.message).as_problem()
    return PlainTextResponse(refusal.message + "\n", refusal.status)
