"""Redirects that a batch had followed before it had to wait: the way there is paid for once."""

from typing import Protocol

from workers.redaction import redact
from workers.upstreams.requests import Request


class Memo(Protocol):
    """What a batch remembers between two attempts; the ledger keeps it."""

    def keep(self, name: str, value: str) -> None:
        """Remember ``value`` under ``name``."""

    def take(self, name: str) -> str | None:
        """What was remembered under ``name``, once."""


class Redirects:
    """The redirects of one batch; without a memo none are remembered."""

    def __init__(self, memo: Memo | None) -> None:
        self._memo = memo

    def resume(self, request: Request) -> Request:
        """The redirect at which this batch had to wait, or the request itself."""
        if self._memo is None or not request.repeatable:
            return request
        location = self._memo.take(request.url)
        return request if location is None else request.redirected(location, 307)

    def keep(self, first: Request, current: Request) -> None:
        """Remember that ``first`` led to ``current``, where the batch waits; never with a secret."""
        secret = redact(first.url) != first.url or redact(current.url) != current.url
        if self._memo is None or current is first or first.options.params is not None or secret:
            return
        self._memo.keep(first.url, current.url)
