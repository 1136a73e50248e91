"""Reads one category page by page; each page's rows and the cursor are one transaction.

What can go wrong is told apart: a site that shows a challenge or forbids us is *blocked* and ends the
run; a first page without a readable ad has a *changed layout* and fails its category; an outage
fails its category.  None of them expires anything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
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
from tasks.listings.list_pages import Remembered
from tasks.listings.sites import Source
from tasks.listings.store import Stored
from workers.db import is_passing
from workers.errors import (
    Blocked,
    BrokenAnswer,
    ControlFlow,
    HandBack,
    NotFound,
    Unavailable,
    UpstreamError,
)
from workers.execution.work import Item, Work
from workers.ledger import claims
from workers.redaction import redact
from workers.text import cleaned
from workers.upstreams import CallOptions, Disallowed, PageIncomplete, Response, Validators

#: A pause this long is waited; a longer one gives the worker back (seconds).
LONGEST_WAIT = 2.0
#: A page that was given up so often, half drawn, never fits its time.
HALVES = 5


class Reader:
    """One batch's way through the categories of one site."""

    def __init__(
        self,
        work: Work[Any],
        site: Source,
        fetch: Fetch,
        *,
        timeout: float,
        delay: float,
        days: int,
    ) -> None:
        """``timeout`` and ``delay`` between pages are in seconds; ``days``: see the task's options."""
        self.work = work
        self.site = site
        self.fetch = fetch
        self.timeout = timeout
        self.delay = delay
        self.since = work.now() - timedelta(days=days)
        self._last_page_at: float | None = None

    def read_category(self, item: Item) -> None:
        """Read pages until one is the last to be read, then end the item."""
        try:
            while "ended" not in item.data:
                self.work.check()
                self.work.rest()
                self._wait()
                self._read_page(item)
            self._finish(item)
        except Disallowed as error:
            self._note(item, "blocked", error.detail)
            # The site's other categories may still be read: this is an error of the item alone.
            raise UpstreamError(
                error.upstream, f"blocked: {error.detail}; nothing was expired"
            ) from None
        except Blocked as error:
            self._note(item, "blocked", error.detail)
            raise Blocked(error.upstream, f"blocked: {error.detail}; nothing was expired") from None
        except UpstreamError as error:
            self._note(item, "failed", error.detail)
            raise
        except ControlFlow:
            raise
        except Exception as error:
            if isinstance(error, DBAPIError) and is_passing(error):
                raise
            first_line = redact(cleaned(str(error).partition("\n")[0]))
            with suppress(SQLAlchemyError, ControlFlow):
                self._note(item, "failed", f"{type(error).__name__}: {first_line}")
            raise

    def _wait(self) -> None:
        """Keep the pause that the run's options ask for beyond the upstream's own spacing."""
        if self._last_page_at is None or not self.delay:
            return
        left = self._last_page_at + self.delay - time.monotonic()
        if left > LONGEST_WAIT:
            until = self.work.now() + timedelta(seconds=left)
            raise HandBack(f"pause of {self.delay:g} s between pages", not_before=until)
        if left > 0:
            time.sleep(left)

    def _read_page(self, item: Item) -> None:
        number = item.data.get("page", 0) + 1
        began = item.data.get("began") or self.work.now().isoformat()
        category: int = item.data["category"]
        with self.work.read() as connection:
            known = list_pages.recall(connection, category, number, self._reading(item))
        try:
            answer = self._fetch(item, number, known)
        except NotFound:
            if number == 1 or not self._is_blind(item):
                raise
            item.data["ended"] = ["complete", f"there is no page {number}"]
            return
        finally:
            self._last_page_at = time.monotonic()
        if answer.not_modified and known is not None:
            self._keep_unchanged(item, number, began, known)
        else:
            self._keep(item, number, began, answer)

    def _reading(self, item: Item) -> str:
        return self.site.reading_of(item.data["path"])

    def _is_blind(self, item: Item) -> bool:
        """Whether no link says if a page follows: pages are asked for until one has no other ads."""
        return "next" not in self.site.selectors or item.data.get("blind", False)

    def _fetch(self, item: Item, number: int, known: Remembered | None) -> Response:
        options = CallOptions(
            timeout=self.timeout,
            validators=known.validators if known and not item.data["thorough"] else None,
            check=lambda answer: fetchers.refuse_challenge(self.site, answer),
        )
        try:
            return self.fetch(self.site.path(item.data["path"], number), options)
        except PageIncomplete:
            halves = item.data.get("halves", 0) + 1
            if halves >= HALVES:
                raise Unavailable(
                    self.site.upstream,
                    f"page {number} was begun {halves} times and never drawn: what it asks for waits"
                    f" for permits longer than timeout_seconds = {self.timeout:g}; give it more, or"
                    " its upstream less spacing",
                ) from None
            with self.work.save(item, halves=halves):
                pass
            raise

    def _keep(self, item: Item, number: int, began: str, answer: Response) -> None:
        page = fetchers.parse(self.site, answer.text, answer.url)
        if not page.cards and number == 1:
            seen = f"{page.unreadable} cards, none readable" if page.unreadable else "no ad found"
            raise BrokenAnswer(
                self.site.upstream, f"{seen} on the first page of {item.key}: its layout has changed?"
            )
        ids = [card.external_id for card in page.cards]
        with self.work.read() as connection:
            before = list_pages.last(connection, item.data["category"], number)
            above = list_pages.above(connection, item.data["category"], number)
        blind = self._is_blind(item)
        if blind and number > 1 and above.issuperset(ids) and not page.unreadable:
            item.data["ended"] = ["complete", f"page {number} had no other ads"]
            return
        lost = number == 1 and stop_conditions.lost_its_next(page, before)
        has_next = page.next_url is not None or lost or blind
        ended = self._ended(item, number, page.cards, empty=not ids, has_next=has_next)
        cursor = {
            "page": number, "began": began, "order": self._order(item, page.cards),
            "halves": 0, "blind": lost or blind,
        }  # fmt: skip
        counts = {"pages": 1, "ads": len(ids), "unreadable": page.unreadable}
        # What was not understood is asked for whole the next time.
        validators = Validators() if page.unreadable or lost else answer.validators
        with self.work.save(item, counts, **cursor) as connection:
            list_pages.remember(
                connection, item.data["category"], number, self._reading(item), validators, ids,
                has_next=has_next,
            )  # fmt: skip
            # Later tries of a first scrape tell what came since the page was stored.
            baseline = item.data["thorough"] and before is None
            new = self._store(connection, item, page, baseline=baseline)
            self._mark(item, ended, new=new)

    def _store(self, connection: Connection, item: Item, page: cards.Page, *, baseline: bool) -> int:
        """Store a page's ads and ask the rules about them; returns how many were new."""
        site, category = self.site, item.data["category"]
        stored = store.store_page(
            connection, site.name, category, page.cards, site.currency, since=self.since
        )
        matched, _ = matching.judge(connection, self.work.run_id, stored.findings, baseline=baseline)
        self.work.count(matches=matched)
        self._count(connection, item, stored, shown=len(page.cards), unchanged=False)
        return stored.new

    def _keep_unchanged(self, item: Item, number: int, began: str, known: Remembered) -> None:
        """The site says that the page is as it was: its ads were seen again."""
        ids, category = known.external_ids, item.data["category"]
        with self.work.read() as connection:
            shown = listings.times(connection, self.site.name, ids)
        cursor = {"page": number, "began": began, "order": self._order(item, shown), "halves": 0}
        ended = self._ended(item, number, shown, empty=not ids, has_next=known.has_next)
        with self.work.save(item, {"pages": 1, "ads": len(ids)}, **cursor) as connection:
            listings.seen(connection, self.site.name, category, ids)
            nothing = Stored(len(shown), 0, 0, 0, ())
            self._count(connection, item, nothing, shown=len(ids), unchanged=True)
            self._mark(item, ended, new=0)

    def _order(self, item: Item, shown: Sequence[Dated]) -> list[str | bool | None]:
        return Order.restored(item.data.get("order")).after_page(shown).stored()

    def _ended(
        self, item: Item, number: int, shown: Sequence[Dated], *, empty: bool, has_next: bool
    ) -> stop_conditions.Ended | None:
        since = self.since if item.data["thorough"] else None
        return stop_conditions.ended(
            number, item.data["pages"], shown, empty=empty, has_next=has_next, since=since
        )

    def _mark(self, item: Item, ended: stop_conditions.Ended | None, *, new: int) -> None:
        """Ads are newest first: below a page without a new one there is none."""
        if ended is None and not new and not item.data["thorough"]:
            ended = "complete", "nothing new on the page"
        if ended is not None:
            item.data["ended"] = list(ended)

    def _count(
        self, connection: Connection, item: Item, stored: Stored, *, shown: int, unchanged: bool
    ) -> None:
        self.work.count(
            new=stored.new, changed=stored.changed, price_changes=stored.price_changes,
            unchanged_pages=int(unchanged),
        )  # fmt: skip
        scrapes.add_page(
            connection,
            self.work.run_id,
            item.data["category"],
            thorough=item.data["thorough"],
            unchanged=unchanged,
            cards=shown,
            new=stored.new,
            changed=stored.changed,
            price_changes=stored.price_changes,
        )

    def _finish(self, item: Item) -> None:
        """End the item; a complete scrape counts against ads that it covered and did not see."""
        state, reason = item.data["ended"]
        category: int = item.data["category"]
        whole = reason == stop_conditions.LAST_PAGE
        covered = coverage(Order.restored(item.data["order"]), whole=whole)
        if unreadable := item.counts.get("unreadable", 0):
            # An ad that is not seen may be one of these.
            covered = None
            reason += f"; {unreadable} cards not readable, so that no ad counts as missed"
        began = datetime.fromisoformat(item.data["began"])
        expired: list[int] = []
        with self.work.done(item) as connection:
            if state == "complete":
                category_states.complete(connection, category)
                if covered is not None:
                    limit = self.site.expire_after
                    expired = listings.miss(connection, category, began, covered, limit)
                    listing_statuses.keep(connection, expired)
                    self.work.count(expired=len(expired))
            scrapes.end(
                connection, self.work.run_id, category, state, reason,
                thorough=item.data["thorough"], expired=len(expired),
            )  # fmt: skip

    def _note(self, item: Item, state: str, reason: str) -> None:
        with claims.fenced(self.work.claim) as connection:
            scrapes.end(
                connection, self.work.run_id, item.data["category"], state, reason,
                thorough=item.data["thorough"],
            )  # fmt: skip
