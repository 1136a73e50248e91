"""Redirects that a batch had followed before it had to wait: the way there is paid for once."""

from __future__ import annotations

from uuid import UUID

from workers.db import driver_transaction
from workers.ledger import memo
from workers.redaction import redact
from workers.upstreams.requests import Request


class Redirects:
    """The redirects of one batch; of nobody's calls none are remembered."""

    def __init__(self, run_id: UUID | None, seq: int | None, *, resumed: bool) -> None:
        self._run_id, self._seq, self._resumed = run_id, seq or 0, resumed

    def resume(self, request: Request) -> Request:
        """The hop at which this batch had to wait, where there was one."""
        if not self._resumed or self._run_id is None or not request.repeatable:
            return request
        with driver_transaction() as connection:
            location = memo.take(connection, self._run_id, self._seq, request.url)
        return request if location is None else request.redirected(location, 307)

    def keep(self, first: Request, hop: Request) -> None:
        """The batch waits at ``hop``, on the way from ``first``: what led there is paid."""
        secret = redact(first.url) != first.url or redact(hop.url) != hop.url
        if hop is first or first.options.params is not None or self._run_id is None or secret:
            return
        with driver_transaction() as connection:
            memo.keep(connection, self._run_id, self._seq, first.url, hop.url)
