"""Where a scrape of a category ends, and why (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.listings.cards import Page
from tasks.listings.expiry import Dated, is_recent

if TYPE_CHECKING:
    from tasks.listings.list_pages import Last

LAST_PAGE = "last page"
Ended = tuple[str, str]


def lost_its_next(page: Page, before: Last | None) -> bool:
    """Whether a first page that is hardly emptier than before has no link to the next any more.

    Then the link may have changed instead of the list having shrunk to a page.
    """
    return (
        page.next_url is None and before is not None and before.has_next
        and len(page.cards) + page.unreadable > before.ads / 2
    )  # fmt: skip


def ended(
    number: int,
    asked: int,
    shown: Sequence[Dated],
    *,
    empty: bool,
    has_next: bool,
    since: datetime | None,
) -> Ended | None:
    """State and reason when page ``number`` of ``asked`` is the last to be read; novelty apart.

    ``since``: ads older than that are not asked for.
    """
    if empty:
        return "incomplete", f"page {number} had no ads"
    if not has_next:
        return "complete", LAST_PAGE
    if number >= asked:
        return "complete", "as many pages as asked for"
    if since is not None and not any(is_recent(one, since) for one in shown):
        return "complete", "older ads are not asked for"
    return None
