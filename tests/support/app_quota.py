"""The application of the system's quota bench: one item is one call to its upstream."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from tests.support.strict_upstreams import TIMEOUT
from workers.app import app
from workers.execution import Item, Work
from workers.ledger.kinds import Options
from workers.upstreams import CallOptions

__all__ = ["app"]

KIND = "bench.calling"


class CallingOptions(Options):
    """How many calls, and whom."""

    items: int = Field(ge=1, le=100_000)
    upstream: str


def plan(work: Work[CallingOptions]) -> Iterable[Item]:
    return [Item(f"i{number}") for number in range(work.options.items)]


@app.task(name=KIND, options=CallingOptions, plan=plan, queue="upkeep", batch_size=8)
def calling(work: Work[CallingOptions]) -> None:
    """Call the upstream once an item."""
    for item in work.items():
        with work.attempt(item):
            work.client.get(work.options.upstream, f"/item/{item.key}", CallOptions(timeout=TIMEOUT))
            with work.done(item, called=1):
                pass
