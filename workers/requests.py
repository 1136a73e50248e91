"""What is asked of an upstream, hop by hop (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from workers.answers import Answer
from workers.errors import BrokenAnswer

#: May raise a typed error for an answer that is one in disguise.
Check = Callable[[Answer], None]


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
    ) -> None:
        self.upstream, self.method, self.url, self.params = upstream, method, url, params
        self.headers, self.body = headers or {}, body
        self.max_bytes, self.check = max_bytes, check

    def redirected(self, url: str, status: int) -> Request:
        """The next hop, which must stay with the same server."""
        here, there = urlsplit(self.url), urlsplit(url)
        same = (here.hostname or "").removeprefix("www.") == (there.hostname or "").removeprefix("www.")
        if there.scheme not in {"http", "https"} or not same:
            raise BrokenAnswer(self.upstream, f"redirects to another server ({there.hostname})")
        keeps = status in {307, 308} or self.method in {"GET", "HEAD"}
        method, body = (self.method, self.body) if keeps else ("GET", None)
        return Request(self.upstream, method, url, None, self.headers, body, self.max_bytes, self.check)
