"""Pages that scripts draw: a Chromium without a network of its own; the client fetches for it.

Chromium (by Playwright, extra ``browser``) has a proxy that does not exist.  What a page asks of its
own server (documents, scripts, data) the client fetches, each call under a permit and by robots.txt;
the rest is refused.  It sends our user agent, hides nothing, and solves no challenge.

Chromium reads a pipe from its driver, and the driver one from this process: when this process ends,
however it ends, both end.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from workers.errors import (
    Blocked,
    BrokenResponse,
    NotFound,
    OptionsError,
    QuotaWait,
    SettingMissing,
    Unavailable,
)
from workers.settings import settings
from workers.upstreams import circuit_breaker
from workers.upstreams.client import UpstreamClient
from workers.upstreams.requests import CallOptions, same_server
from workers.upstreams.responses import Response
from workers.upstreams.robots import Disallowed

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Request, Route

#: What a page may ask for; images, fonts, styles and beacons are not needed to read it.
WANTED_TYPES = frozenset({"document", "script", "xhr", "fetch"})
#: Calls that one page may make.
MAX_CALLS = 40
MAX_PAGE_BYTES = 5_000_000
#: Headers that our client sets itself.
OWN_HEADERS = frozenset({"host", "connection", "content-length", "accept-encoding", "user-agent"})
#: Response headers that are no longer true once the client has decoded the body.
DECODED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: No traffic of its own: no name lookups, no updates, no peer-to-peer.
ARGUMENTS = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)  # fmt: skip
DEAD_PROXY: Any = {"server": "http://127.0.0.1:9", "bypass": "<-loopback>"}


class PageIncomplete(QuotaWait):
    """A page's own calls wait for permits longer than its timeout: it is read anew later."""

    def __init__(self, wait: QuotaWait) -> None:
        reason = wait.reason.removeprefix(f"waiting for {wait.upstream}: ")
        super().__init__(wait.upstream, wait.seconds, reason, blocked=wait.blocked)


def _found() -> str | None:
    named = settings().chromium
    found = str(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)
    return found if found is not None and os.access(found, os.X_OK) else None


def is_here() -> bool:
    """Whether all that draws pages is installed."""
    return find_spec("playwright") is not None and _found() is not None


def program(upstream: str) -> str:
    """Where Chromium is; OptionsError or SettingMissing say what to install."""
    if find_spec("playwright") is None:
        raise OptionsError(
            f"the pages of {upstream} need a browser: pip install 'watchkeeper[browser]'"
        )
    found, named = _found(), settings().chromium
    if found is None:
        raise SettingMissing(
            "WATCHKEEPER_CHROMIUM",
            f"no Chromium {f'at {named}' if named else 'on PATH'} for the pages of {upstream} with"
            " (Debian: apt-get install chromium)",
        )
    return found


class Browser:
    """A Chromium for one batch, started at the first page and ended by ``close``."""

    def __init__(self, client: UpstreamClient, upstream: str, *, headless: bool = True) -> None:
        self._client, self._upstream, self._headless = client, upstream, headless
        self._program = program(upstream)
        self._resources = ExitStack()
        self._context: BrowserContext | None = None
        #: Scripts by address: the site's other pages use the same ones.
        self._scripts: dict[str, Response] = {}

    def close(self) -> None:
        self._context = None
        self._resources.close()

    def read(self, path: str, options: CallOptions) -> Response:
        """The page at ``path`` as it stands once its scripts are quiet.

        Raises what the client raises.  ``options.check`` judges the drawn page.  ``options.validators``
        are not sent: a page's data may change while its document does not.
        """
        deadline = time.monotonic() + options.timeout
        own = CallOptions(timeout=options.timeout, obey_robots=True)
        document = self._client.get(self._upstream, path, own)
        visit = _Visit(self._client, document, self._scripts, deadline)
        with self._page(visit) as page:
            html = visit.draw(page)
        if len(html) > MAX_PAGE_BYTES:
            raise BrokenResponse(self._upstream, f"page is longer than {MAX_PAGE_BYTES} bytes")
        headers = {"content-type": "text/html; charset=utf-8"}
        drawn = replace(document, headers=headers, content=html, encoding="utf-8")
        if options.check is not None:
            try:
                options.check(drawn)
            except Blocked as error:
                circuit_breaker.block(error)
                raise
        return drawn

    @contextmanager
    def _page(self, visit: _Visit) -> Iterator[Page]:
        """Open a page whose every request goes to ``visit``; Chromium's errors become Unavailable."""
        from playwright.sync_api import Error

        try:
            context = self._context or self._start()
            page = context.new_page()
            try:
                page.route("**/*", visit.serve)
                page.route_web_socket("**/*", lambda socket: socket.close())
                yield page
            finally:
                with suppress(Error):
                    page.close()
        except Error as error:
            self.close()
            raise Unavailable(
                self._upstream, f"the browser: {str(error).strip().partition(chr(10))[0]}"
            ) from None

    def _start(self) -> BrowserContext:
        from playwright.sync_api import sync_playwright

        playwright = self._resources.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=self._program,
            headless=self._headless,
            args=list(ARGUMENTS),
            proxy=DEAD_PROXY,
            # Chromium's sandbox does not work for root.
            chromium_sandbox=settings().chromium_sandbox and os.geteuid() != 0,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        self._resources.callback(browser.close)
        self._context = browser.new_context(
            user_agent=settings().user_agent, service_workers="block", accept_downloads=False
        )
        return self._context


class _Visit:
    def __init__(
        self, client: UpstreamClient, document: Response, scripts: dict[str, Response], deadline: float
    ) -> None:
        self._client, self._document, self._scripts = client, document, scripts
        self._deadline = deadline
        self._calls = 0
        self._shown = False
        #: What ends the visit: Playwright swallows what a handler raises.
        self._failure: BaseException | None = None

    def draw(self, page: Page) -> bytes:
        """Open the document and wait until its scripts ask for nothing more."""
        from playwright.sync_api import Error
        from playwright.sync_api import TimeoutError as Overdue

        try:
            page.goto(self._document.url, wait_until="networkidle", timeout=self._left() * 1000)
            html = page.content()
        except Overdue:
            html = "" if self._failure else self._as_it_stands(page)
        except Error:
            if self._failure is None:
                raise
        if isinstance(self._failure, QuotaWait):
            raise PageIncomplete(self._failure)
        if self._failure is not None:
            raise self._failure
        return html.encode()

    def _as_it_stands(self, page: Page) -> str:
        """What a page that never stops asking has drawn; Unavailable if it goes on to another."""
        from playwright.sync_api import Error

        try:
            return page.content()
        except Error as error:
            if "navigating" not in str(error):
                raise
            said = "the page was still going to another when its time ended"
            raise Unavailable(self._document.upstream, said) from None

    def serve(self, route: Route, request: Request) -> None:
        from playwright.sync_api import Error

        answer: Response | None = None
        try:
            if self._failure is None:
                answer = self._answer(request)
        except BaseException as error:  # raised again in draw(): this is Playwright's own frame
            self._failure = error
        with suppress(Error):
            if answer is None:
                route.abort()
                return
            headers = {k: v for k, v in answer.headers.items() if k not in DECODED_HEADERS}
            route.fulfill(status=answer.status, headers=headers, body=answer.content)

    def _answer(self, request: Request) -> Response | None:
        """The response, or None to refuse the request; a missing part does not end the visit."""
        url, kind = request.url, request.resource_type
        if kind == "document" and not self._shown:
            self._shown = True
            return self._document
        if (
            kind not in WANTED_TYPES
            or request.method not in {"GET", "POST"}
            or not same_server(self._document.url, url)
        ):
            return None
        if kind == "script" and url in self._scripts:
            return self._scripts[url]
        self._calls += 1
        if self._calls > MAX_CALLS:
            return None
        try:
            answer = self._fetch(request)
        except NotFound:
            return replace(self._document, status=404, headers={}, content=b"")
        except (BrokenResponse, Disallowed):
            return None
        if kind == "script":
            self._scripts[url] = answer
        return answer

    def _fetch(self, request: Request) -> Response:
        cookies = request.frame.page.context.cookies(request.url)
        headers = {
            name: value for name, value in request.headers.items()
            if name not in OWN_HEADERS and not name.startswith(("sec-", "if-", "proxy-"))
        }  # fmt: skip
        if cookies:
            headers["cookie"] = "; ".join(f"{one.get('name')}={one.get('value')}" for one in cookies)
        left = self._left()
        options = CallOptions(
            headers=headers,
            content=request.post_data_buffer if request.method == "POST" else None,
            timeout=left,
            obey_robots=True,
        )
        # A page without one of its parts is of no use, so each part may wait as long as the page.
        with self._client.max_wait(left):
            return self._client.call(request.method, self._document.upstream, request.url, options)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)
