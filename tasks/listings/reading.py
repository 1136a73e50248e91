"""Reads one category page by page; each page's rows and the cursor are one transaction.

What can go wrong is told apart: a site that shows a challenge or forbids us is *blocked* and ends the
run; a first page without a readable ad has a *changed layout* and fails its category; an outage
fails its category.  None of them expires anything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tasks.listings import (
    cards,
    category_states,
    listing_statuses,
    listings,
    matching,
    pages,
    scrapes,
    storing,
)
from tasks.listings.expiry import Dated, Order, coverage, is_recent
from tasks.listings.fetching import Fetch
from tasks.listings.pages import Remembered
from tasks.listings.sites import Source
from tasks.listings.storing import Stored
from workers import answers, claims
from workers.answers import Answer
from workers.errors import Blocked, BrokenAnswer, HandBack, UpstreamError
from workers.work import Item, Work

#: A pause this long is waited; a longer one gives the worker back (seconds).
LONGEST_WAIT = 2.0


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
                self._wait()
                self._read_page(item)
        except Blocked as error:
            self._note(item, "blocked", error.detail)
            raise Blocked(error.upstream, f"blocked: {error.detail}; nothing was expired") from None
        except UpstreamError as error:
            self._note(item, "failed", error.detail)
            raise
        self._finish(item)

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
            known = pages.recall(connection, category, number, self.site.reading)
        answer = self._fetch(item, number, known)
        self._last_page_at = time.monotonic()
        if answer.not_modified and known is not None:
            self._keep_unchanged(item, number, began, known)
        else:
            self._keep(item, number, began, answer)

    def _fetch(self, item: Item, number: int, known: Remembered | None) -> Answer:
        return self.fetch(
            self.site.path(item.data["path"], number),
            timeout=self.timeout,
            conditional=known.validators if known and not item.data["thorough"] else None,
            check=self._refuse_challenge,
        )

    def _parse(self, answer: Answer) -> cards.Page:
        return cards.parse(answer.text, answer.url, self.site.selectors, self.site.id_pattern)

    def _refuse_challenge(self, answer: Answer) -> None:
        """A page that asks for proof of being human may come with status 200."""
        if answers.is_challenge(answer) and not self._parse(answer).cards:
            raise Blocked(self.site.upstream, "answered 200 with a challenge page")

    def _keep(self, item: Item, number: int, began: str, answer: Answer) -> None:
        page = self._parse(answer)
        if not page.cards and number == 1:
            seen = f"{page.unreadable} cards, none readable" if page.unreadable else "no ad found"
            raise BrokenAnswer(
                self.site.upstream, f"{seen} on the first page of {item.key}: its layout has changed?"
            )
        category: int = item.data["category"]
        counts = {"pages": 1, "ads": len(page.cards), "unreadable": page.unreadable}
        ended = self._ended(item, number, page.cards, has_next=page.next_url is not None)
        cursor = {"page": number, "began": began, "order": self._order(item, page.cards)}
        with self.work.save(item, counts, **cursor) as connection:
            stored = storing.store(
                connection, self.site.name, category, page.cards, self.site.currency, since=self.since
            )
            ids = [card.external_id for card in page.cards]
            pages.remember(
                connection, category, number, self.site.reading, answer.validators, ids,
                has_next=page.next_url is not None,
            )  # fmt: skip
            matched, _ = matching.judge(
                connection, self.work.run_id, stored.findings, baseline=item.data["thorough"]
            )
            self.work.count(matches=matched)
            self._count(connection, item, stored, unchanged=False)
            self._mark(item, ended, new=stored.new)

    def _keep_unchanged(self, item: Item, number: int, began: str, known: Remembered) -> None:
        """The site says that the page is as it was: its ads were seen again."""
        ids = known.external_ids
        with self.work.read() as connection:
            shown = listings.times(connection, self.site.name, ids)
        cursor = {"page": number, "began": began, "order": self._order(item, shown)}
        ended = self._ended(item, number, shown, has_next=known.has_next)
        with self.work.save(item, {"pages": 1, "ads": len(ids)}, **cursor) as connection:
            listings.seen(connection, self.site.name, ids)
            self._count(connection, item, Stored(len(ids), 0, 0, 0, ()), unchanged=True)
            self._mark(item, ended, new=0)

    def _order(self, item: Item, shown: Sequence[Dated]) -> list[str | bool | None]:
        return Order.restored(item.data.get("order")).followed_by(shown).stored()

    def _ended(
        self, item: Item, number: int, shown: Sequence[Dated], *, has_next: bool
    ) -> tuple[str, str] | None:
        """Why this page is the last to be read, as far as its ads' novelty does not matter."""
        if not shown:
            return "incomplete", f"page {number} had no ads"
        if not has_next:
            return "complete", "last page"
        if number >= item.data["pages"]:
            return "complete", "as many pages as asked for"
        if item.data["thorough"] and not any(is_recent(one, self.since) for one in shown):
            return "complete", "older ads are not asked for"
        return None

    def _mark(self, item: Item, ended: tuple[str, str] | None, *, new: int) -> None:
        """Ads are newest first: below a page without a new one there is none."""
        if ended is None and not new and not item.data["thorough"]:
            ended = "complete", "nothing new on the page"
        if ended is not None:
            item.data["ended"] = list(ended)

    def _count(self, connection: Connection, item: Item, stored: Stored, *, unchanged: bool) -> None:
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
            cards=stored.seen,
            new=stored.new,
            changed=stored.changed,
            price_changes=stored.price_changes,
        )

    def _finish(self, item: Item) -> None:
        """End the item; a complete scrape counts against ads that it covered and did not see."""
        state, reason = item.data["ended"]
        category: int = item.data["category"]
        covered = coverage(Order.restored(item.data["order"]), whole=reason == "last page")
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
