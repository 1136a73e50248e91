"""Reads one category page by page; each page's rows and the cursor are one transaction.

A challenge page or a ban is *blocked* and ends the run; robots.txt blocks only the category.  A first
page without a readable listing has a *changed layout*: its category fails, and so it does in an outage.
None of them expires a listing.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tasks.listings import (
    cards,
    category_states,
    fetchers,
    list_pages,
    listing_statuses,
    listings,
    matching,
    scrapes,
    stop_conditions,
    store,
)
from tasks.listings.expiry import Dated, Order, coverage
from tasks.listings.fetchers import Fetch
from tasks.listings.list_pages import StoredPage
from tasks.listings.sites import Source
from workers.db import is_passing
from workers.errors import (
    Blocked,
    BrokenResponse,
    ControlFlow,
    HandBack,
    NotFound,
    Unavailable,
    UpstreamError,
    redact,
)
from workers.execution import Item, Work, count_words
from workers.upstreams import CallOptions, Disallowed, PageIncomplete, Response, Validators, cleaned

#: A longer pause hands the batch back (seconds).
MAX_SLEEP = 2.0
#: Attempts of a browser at one page, each cut short by a wait for permits.
MAX_HALF_DRAWN = 5


class CategoryReader:
    """Reads the categories of one batch, one after the other."""

    def __init__(self, work: Work[Any], site: Source, fetch: Fetch, delay: float) -> None:
        self.work, self.site, self.fetch, self.delay = work, site, fetch, delay
        options = work.options
        self.timeout = float(options.timeout_seconds)
        self.since = work.now() - timedelta(days=options.initial_scrape_days)
        self._last_page_at: float | None = None
        self._pages: tuple[str, dict[int, StoredPage]] | None = None

    def read(self, item: Item) -> None:
        """Read pages until one is the last to read, then end the item."""
        try:
            while "ended" not in item.data:
                self.work.check()
                self.work.yield_worker()
                self._wait()
                self._read_page(item)
            self._finish(item)
        except Blocked as error:
            self._log_end(item, "blocked", error.detail)
            # robots.txt may allow the other categories: only the item fails.
            kind = UpstreamError if isinstance(error, Disallowed) else Blocked
            raise kind(error.upstream, f"blocked: {error.detail}; nothing was expired") from None
        except UpstreamError as error:
            self._log_end(item, "failed", error.detail)
            raise
        except ControlFlow:
            raise
        except Exception as error:
            if isinstance(error, DBAPIError) and is_passing(error):
                raise
            first_line = redact(cleaned(str(error).partition("\n")[0]))
            with suppress(SQLAlchemyError, ControlFlow):
                self._log_end(item, "failed", f"{type(error).__name__}: {first_line}")
            raise

    def _wait(self) -> None:
        if self._last_page_at is None or not self.delay:
            return
        left = self._last_page_at + self.delay - time.monotonic()
        if left > MAX_SLEEP:
            until = self.work.now() + timedelta(seconds=left)
            raise HandBack(f"pause of {self.delay:g} s between pages", not_before=until)
        if left > 0:
            time.sleep(left)

    def _read_page(self, item: Item) -> None:
        number = item.data.get("page", 0) + 1
        began = item.data.get("began") or self.work.now().isoformat()
        before = self._pages_of(item).get(number)
        validators = before.validators(self._reading(item)) if before is not None else None
        try:
            response = self._fetch(item, number, None if item.data["thorough"] else validators)
        except NotFound:
            if number == 1 or not self._has_no_links(item):
                raise
            item.data["ended"] = ["complete", f"there is no page {number}"]
            return
        finally:
            self._last_page_at = time.monotonic()
        cursor = {"page": number, "began": began, "halves": 0}
        if response.not_modified and before is not None and validators is not None:
            self._store_unchanged(item, cursor, before)
        else:
            self._store_response(item, cursor, response, before)

    def _pages_of(self, item: Item) -> dict[int, StoredPage]:
        """The category's pages as they were read last, those of this reader included."""
        if self._pages is None or self._pages[0] != item.key:
            with self.work.read() as connection:
                found = list_pages.of_category(connection, item.data["category"], item.data["pages"])
            self._pages = item.key, found
        return self._pages[1]

    def _shown_above(self, item: Item, number: int) -> set[str]:
        """Numbers of the listings on the pages before this one, as they were last read."""
        pages = self._pages_of(item).items()
        return {one for page, read in pages if page < number for one in read.external_ids}

    def _repeated(self, item: Item, number: int, page: cards.Page) -> int:
        """How many pages in a row, this one included, show no listing that those before did not."""
        if number == 1 or page.unreadable:
            return 0
        ids = {card.external_id for card in page.cards}
        return item.data.get("repeated", 0) + 1 if self._shown_above(item, number) >= ids else 0

    def _reading(self, item: Item) -> str:
        return self.site.reading_of(item.data["path"])

    def _has_no_links(self, item: Item) -> bool:
        """Whether no link shows the last page: pages are read until one has no other listings."""
        return "next" not in self.site.selectors or item.data.get("blind", False)

    def _fetch(self, item: Item, number: int, validators: Validators | None) -> Response:
        options = CallOptions(
            timeout=self.timeout,
            validators=validators,
            check=partial(fetchers.refuse_challenge, self.site),
        )
        try:
            return self.fetch(self.site.path(item.data["path"], number), options)
        except PageIncomplete:
            halves = item.data.get("halves", 0) + 1
            if halves >= MAX_HALF_DRAWN:
                raise Unavailable(
                    self.site.upstream,
                    f"page {number} was begun {halves} times and never complete: its calls wait for"
                    f" permits longer than timeout_seconds = {self.timeout:g}; raise timeout_seconds,"
                    " or lower the upstream's spacing",
                ) from None
            with self.work.save(item, halves=halves):
                pass
            raise

    def _store_response(
        self, item: Item, cursor: dict[str, Any], response: Response, before: StoredPage | None
    ) -> None:
        page, number = self._parse(item, cursor["page"], response), cursor["page"]
        ids = [card.external_id for card in page.cards]
        blind = self._has_no_links(item)
        repeated = self._repeated(item, number, page)
        if repeated and (end := stop_conditions.end_of_repeats(number, repeated, has_links=not blind)):
            item.data["ended"] = list(end)
            return
        lost = number == 1 and stop_conditions.lost_next_link(page, before)
        has_next = page.next_url is not None or lost or blind
        end = self._end_after(item, number, page.cards, has_next=has_next, is_empty=not ids)
        cursor |= {"order": self._order(item, page.dated), "blind": lost or blind, "repeated": repeated}
        counts = {"pages": 1, "ads": len(ids), "unreadable": page.unreadable}
        # Not understood, or with times that depend on now: it is requested unconditionally next time.
        is_fresh = page.unreadable or lost or page.is_estimated
        validators = Validators() if is_fresh else response.validators
        read = StoredPage(validators.etag, validators.last_modified, self._reading(item), ids, has_next)
        with self.work.save(item, counts=counts, **cursor) as connection:
            list_pages.upsert(connection, item.data["category"], number, read)
            # A later attempt of a first scrape reports what came since the page was stored.
            baseline = item.data["thorough"] and before is None
            new = self._store_cards(connection, item, page, baseline=baseline)
            self._mark_end(item, end, new=new)
        self._pages_of(item)[number] = read

    def _parse(self, item: Item, number: int, response: Response) -> cards.Page:
        page = fetchers.parse(self.site, response.text, response.url, self.work.now())
        if page.cards or number > 1:
            return page
        cards_seen = count_words(page.unreadable, "card")
        seen = f"{cards_seen}, none readable" if page.unreadable else "no ad found"
        raise BrokenResponse(
            self.site.upstream, f"{seen} on the first page of {item.key}: its layout may have changed"
        )

    def _store_cards(
        self, connection: Connection, item: Item, page: cards.Page, *, baseline: bool
    ) -> int:
        """Store a page's listings and ask the rules about them; returns how many are new."""
        site = self.site
        stored = store.store_page(
            connection, site.name, item.data["category"], page.cards, site.currency, since=self.since
        )
        matched, _ = matching.judge(connection, self.work.run_id, stored.findings, baseline=baseline)
        self.work.count(matches=matched)
        self._count(
            connection, item, len(page.cards),
            new=stored.new, changed=stored.changed, price_changes=stored.price_changes,
        )  # fmt: skip
        return stored.new

    def _store_unchanged(self, item: Item, cursor: dict[str, Any], known: StoredPage) -> None:
        ids, category = known.external_ids, item.data["category"]
        with self.work.read() as connection:
            shown = listings.dates(connection, self.site.name, ids)
        cursor["order"] = self._order(item, shown)
        end = self._end_after(item, cursor["page"], shown, has_next=known.has_next, is_empty=not ids)
        with self.work.save(item, counts={"pages": 1, "ads": len(ids)}, **cursor) as connection:
            listings.mark_seen(connection, self.site.name, category, ids)
            self._count(connection, item, len(ids), unchanged_pages=1)
            self._mark_end(item, end, new=0)

    def _order(self, item: Item, shown: Sequence[Dated]) -> list[str | bool | None]:
        return Order.restored(item.data.get("order")).after_page(shown).stored()

    def _end_after(
        self, item: Item, number: int, shown: Sequence[Dated], *, has_next: bool, is_empty: bool
    ) -> stop_conditions.End | None:
        since = self.since if item.data["thorough"] else None
        return stop_conditions.end_after(
            number, item.data["pages"], shown, is_empty=is_empty, has_next=has_next, since=since
        )

    def _mark_end(self, item: Item, end: stop_conditions.End | None, *, new: int) -> None:
        """Listings are newest first: no page below one without a new listing has one.

        Unless the scrape before this one broke off there.
        """
        reads_on = item.data["thorough"] or item.data.get("catches_up", False)
        if end is None and not new and not reads_on:
            end = "complete", "nothing new on the page"
        if end is not None:
            self.work.note(ended=list(end))

    def _count(self, connection: Connection, item: Item, shown: int, **counts: int) -> None:
        counts = dict.fromkeys(("new", "changed", "price_changes", "unchanged_pages"), 0) | counts
        self.work.count(**counts)
        scrapes.add_page(connection, self._key(item), {"cards": shown, **counts})

    def _key(self, item: Item) -> dict[str, Any]:
        return {
            "run_id": self.work.run_id,
            "category_id": item.data["category"],
            "thorough": item.data["thorough"],
        }

    def _finish(self, item: Item) -> None:
        """End the item; a complete scrape counts against listings that it covered and did not see."""
        state, reason = item.data["ended"]
        category: int = item.data["category"]
        whole = reason == stop_conditions.LAST_PAGE
        covered = coverage(Order.restored(item.data["order"]), whole=whole)
        if unreadable := item.counts.get("unreadable", 0):
            # A listing that was not seen may be one of these.
            covered = None
            reason += (
                f"; {count_words(unreadable, 'card')} not readable, so that no ad counts as missed"
            )
        began = datetime.fromisoformat(item.data["began"])
        expired: list[int] = []
        with self.work.done(item) as connection:
            if reason == stop_conditions.ENDLESS:
                self.work.count(endless=1)
            if state == "complete":
                category_states.complete(connection, category)
                if covered is not None:
                    limit = self.site.expire_after
                    expired = listings.count_missed(connection, category, began, covered, limit)
                    listing_statuses.record(connection, expired)
                    self.work.count(expired=len(expired))
            scrapes.end(connection, self._key(item), state, reason, expired=len(expired))

    def _log_end(self, item: Item, state: str, reason: str) -> None:
        with self.work.fenced() as connection:
            scrapes.end(connection, self._key(item), state, reason)
