"""What is asked of an upstream, redirect by redirect (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

from workers.errors import BrokenResponse
from workers.upstreams.responses import Response, Validators


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    params: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Sent as JSON.
    body: Any = None
    #: Sent as it is, in place of ``body``.
    content: bytes | None = None
    #: Masked in every error and log line.
    secrets: Sequence[str] = ()
    #: Seconds for the whole call: waits for permits, attempts, redirects.
    timeout: float = 30.0
    max_bytes: int = 5_000_000
    #: Those of an earlier response, so that the upstream may answer "not modified".
    validators: Validators | None = None
    #: May raise an error for a response that is one in disguise (a limit message inside a 200).
    check: Callable[[Response], None] | None = None
    #: Read and obey robots.txt also where the upstream's row does not ask for it.
    obey_robots: bool = False


DEFAULT_OPTIONS = CallOptions()


@dataclass(frozen=True, slots=True)
class Request:
    upstream: str
    method: str
    url: str
    options: CallOptions = DEFAULT_OPTIONS

    @property
    def repeatable(self) -> bool:
        """Whether asking twice changes nothing at the upstream."""
        return self.method in {"GET", "HEAD"}

    @property
    def headers(self) -> dict[str, str]:
        validators = self.options.validators
        return {**self.options.headers, **(validators.headers() if validators else {})}

    def redirected(self, location: str, status: int) -> Request:
        """The next request, which must stay at the same server and may not drop encryption."""
        try:
            url = urljoin(self.url, location)
        except ValueError:
            raise BrokenResponse(self.upstream, "redirects to an invalid address") from None
        if not same_server(self.url, url):
            raise BrokenResponse(
                self.upstream, f"redirects to another server ({url.partition('?')[0]})"
            )
        # Browsers make a GET of a POST that is answered 301 or 302: a message would be lost, and the
        # answer look as if it had arrived.
        if status != HTTPStatus.SEE_OTHER or self.repeatable:
            return replace(self, url=url, options=replace(self.options, params=None))
        options = replace(self.options, params=None, body=None, content=None)
        return replace(self, method="GET", url=url, options=options)


def address(upstream: str, base_url: str, path: str) -> str:
    """The address of ``path`` below the upstream's; a whole address must be at the same server."""
    if not path.startswith(("http://", "https://")):
        return base_url.rstrip("/") + "/" + path.lstrip("/")
    if not same_server(base_url, path):
        raise BrokenResponse(upstream, f"names another server ({path.partition('?')[0]})")
    return path


def same_server(one: str, other: str) -> bool:
    """Whether both addresses are at one server (``www.`` or not), the second no less encrypted."""
    try:
        here, there = _server(one), _server(other)
    except ValueError:
        return False
    less = one.startswith("https:") and other.startswith("http:")
    return here is not None and here == there and not less


def _server(url: str) -> tuple[str, int] | None:
    """Host, without ``www.``, and port (0: the scheme's own); None for what is no web address."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname:
        return None
    port = usual if parts.port is None else parts.port
    return parts.hostname.removeprefix("www."), 0 if port == usual else port
