"""Conditions that end the scrape of a category (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.listings.cards import Page
from tasks.listings.expiry import Dated, is_recent

if TYPE_CHECKING:
    from tasks.listings.list_pages import StoredPage

LAST_PAGE = "last page"
ENDLESS = "two pages in a row had no other ads, yet a link to the next page"
#: State and reason of a scrape.
End = tuple[str, str]


def lost_next_link(page: Page, before: StoredPage | None) -> bool:
    """Whether a first page that is hardly emptier than before no longer links to the next.

    Then the link may have changed, and the list need not have shrunk to one page.
    """
    if page.next_url is not None or before is None or not before.has_next:
        return False
    return len(page.cards) + page.unreadable > len(before.external_ids) / 2


def end_of_repeats(number: int, repeated: int, *, has_links: bool) -> End | None:
    """The end when ``repeated`` pages in a row showed nothing that was not on pages before.

    One such page may be what new listings have moved down while the scrape waited.
    """
    if not has_links:
        return "complete", f"page {number} had no other ads"
    return ("complete", ENDLESS) if repeated > 1 else None


def end_after(
    number: int,
    max_pages: int,
    shown: Sequence[Dated],
    *,
    is_empty: bool,
    has_next: bool,
    since: datetime | None,
) -> End | None:
    """The end of the scrape if page ``number`` is the last to read; novelty is not considered.

    ``since``: the scrape leaves out older listings.
    """
    if is_empty:
        return "incomplete", f"page {number} had no ads"
    if not has_next:
        return "complete", LAST_PAGE
    if number >= max_pages:
        return "complete", "as many pages as asked for"
    if since is not None and not any(is_recent(one, since) for one in shown):
        return "complete", "older ads are not asked for"
    return None
