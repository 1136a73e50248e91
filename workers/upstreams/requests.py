"""What is asked of an upstream, hop by hop (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from workers.errors import BrokenAnswer
from workers.upstreams.responses import Response

#: May raise a typed error for an answer that is one in disguise.
Check = Callable[[Response], None]


class Request:
    """One HTTP request to one upstream."""

    def __init__(
        self,
        upstream: str,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        max_bytes: int = 5_000_000,
        check: Check | None = None,
        *,
        content: bytes | None = None,
    ) -> None:
        self.upstream, self.method, self.url, self.params = upstream, method, url, params
        self.headers, self.body, self.content = headers or {}, body, content
        self.max_bytes, self.check = max_bytes, check

    @property
    def repeatable(self) -> bool:
        """Whether asking twice changes nothing at the upstream."""
        return self.method in {"GET", "HEAD"}

    def redirected(self, location: str, status: int) -> Request:
        """The next hop, which must stay with the same server and may not drop encryption."""
        try:
            url = urljoin(self.url, location)
        except ValueError:
            raise BrokenAnswer(self.upstream, "redirects to an address that is none") from None
        if not same_server(self.url, url):
            raise BrokenAnswer(self.upstream, f"redirects to another server ({url.partition('?')[0]})")
        keeps = status in {307, 308} or self.repeatable
        method = self.method if keeps else "GET"
        body, content = (self.body, self.content) if keeps else (None, None)
        headers, limit = self.headers, self.max_bytes
        return Request(
            self.upstream, method, url, None, headers, body, limit, self.check, content=content
        )


def address(upstream: str, base_url: str, path: str) -> str:
    """The address of ``path`` below the upstream's; a whole address must be at the same server."""
    if not path.startswith(("http://", "https://")):
        return base_url.rstrip("/") + "/" + path.lstrip("/")
    if not same_server(base_url, path):
        raise BrokenAnswer(upstream, f"names another server ({path.partition('?')[0]})")
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
