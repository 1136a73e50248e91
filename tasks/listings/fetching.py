"""How a site's pages are fetched: by HTTP, or by a browser where its row says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Protocol

from tasks.listings.sites import Source
from workers.answers import Answer, Validators
from workers.requests import Check
from workers.upstream import Door


class Fetch(Protocol):
    """Brings one page; raises what the door raises."""

    def __call__(
        self,
        path: str,
        *,
        timeout: float,
        conditional: Validators | None = None,
        check: Check | None = None,
    ) -> Answer: ...


@contextmanager
def opened(site: Source, door: Door, *, headless: bool = True) -> Iterator[Fetch]:
    """The site's way; a browser ends with the block."""
    if site.fetch_by == "http":
        yield partial(door.get, site.upstream)
        return
    # Imported for the few sites that need it.
    from workers.browser import Browser

    with closing(Browser(door, site.upstream, headless=headless)) as browser:
        yield browser.read
