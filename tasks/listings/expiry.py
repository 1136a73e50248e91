"""How far down a list a scrape went, and which listings that covers (pure).

A site does not say whether a list is sorted by the time of listing or of the last edit, so the order
is derived from the listings seen.  A listing that belongs above the last one seen and was not there
was missed.  If no order fits, only a scrape of the whole list covers anything.  A few listings at the
top of a page may be out of order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Dated(Protocol):
    @property
    def listed_at(self) -> datetime | None: ...
    @property
    def edited_at(self) -> datetime | None: ...


#: Listings at the top of a page that may be out of order: sticky, promoted or undated ones.
MAX_LEADING = 3
#: Listings that must follow in order for that.
MIN_FOLLOWING = 8


@dataclass(frozen=True, slots=True)
class Order:
    """Orders that fit the listings seen: the last one's time; False: does not fit; None: none seen."""

    by_listed: datetime | bool | None = None
    by_touched: datetime | bool | None = None

    def followed_by(self, listings: Iterable[Dated]) -> Order:
        listed, touched = self.by_listed, self.by_touched
        for listing in listings:
            listed = _next(listed, listing.listed_at)
            touched = _next(touched, touched_at(listing))
        return Order(listed, touched)

    def after_page(self, listings: Sequence[Dated]) -> Order:
        """The order after a page; its first few listings are left out if only the others fit."""
        tried = [
            self.followed_by(listings[leading:])
            for leading in range(MAX_LEADING + 1)
            if leading == 0 or len(listings) - leading >= MIN_FOLLOWING
        ]
        listed = (order for order in tried if isinstance(order.by_listed, datetime))
        touched = (order for order in tried if isinstance(order.by_touched, datetime))
        return next(listed, next(touched, tried[0]))

    def stored(self) -> list[str | bool | None]:
        return [
            one.isoformat() if isinstance(one, datetime) else one
            for one in (self.by_listed, self.by_touched)
        ]

    @classmethod
    def restored(cls, stored: Sequence[str | bool | None] | None) -> Order:
        return cls(
            *(datetime.fromisoformat(one) if isinstance(one, str) else one for one in stored or ())
        )


def _next(last: datetime | bool | None, value: datetime | None) -> datetime | bool:
    if value is None or last is False:
        return False
    return False if isinstance(last, datetime) and value > last else value


def touched_at(listing: Dated) -> datetime | None:
    times = [at for at in (listing.listed_at, listing.edited_at) if at is not None]
    return max(times, default=None)


def is_recent(listing: Dated, since: datetime) -> bool:
    """Whether it was listed or edited since then; one without times counts as recent."""
    touched = touched_at(listing)
    return touched is None or touched >= since


@dataclass(frozen=True, slots=True)
class Coverage:
    """Listings of a category that a scrape covers: all, or those later than ``below``."""

    whole: bool
    by_touched: bool = False
    below: datetime | None = None


def coverage(order: Order, *, whole: bool) -> Coverage | None:
    """What a complete scrape covers; None if no order fits.

    If both fit, the one by listing is used, since the other covers the same listings and more.
    """
    if whole:
        return Coverage(whole=True)
    if isinstance(order.by_listed, datetime):
        return Coverage(whole=False, by_touched=False, below=order.by_listed)
    if isinstance(order.by_touched, datetime):
        return Coverage(whole=False, by_touched=True, below=order.by_touched)
    return None
