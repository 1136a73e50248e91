"""How far down a list a scrape went, and which ads that covers (pure).

A list is sorted by when ads were listed, or by when they were last touched; a site does not say
which, so the order is read off the ads seen.  An ad that stands, by that order, above the last one
seen and was not there has been missed.  Where no order can be read off, only a scrape of the whole
list says anything.  A few ads that are kept at the top of a page, whatever their age, are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Dated(Protocol):
    """An ad with its two times."""

    @property
    def listed_at(self) -> datetime | None: ...
    @property
    def edited_at(self) -> datetime | None: ...


#: Ads at the top of a page that may stand there out of order: sticky, promoted or undated ones.
LEADING = 3
#: So many must follow in order before what leads is taken for such.
PROOF = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What the ads seen so far say about the list's order; False: not sorted that way.

    None: nothing seen yet; an instant: sorted that way, this is the last one's.
    """

    by_listed: datetime | bool | None = None
    by_touched: datetime | bool | None = None

    def followed_by(self, ads: Iterable[Dated]) -> Order:
        """The order after these ads, which stand below those seen before."""
        listed, touched = self.by_listed, self.by_touched
        for ad in ads:
            listed = _next(listed, ad.listed_at)
            touched = _next(touched, touched_at(ad))
        return Order(listed, touched)

    def after_page(self, ads: Sequence[Dated]) -> Order:
        """The order after a page, whatever its first few ads say when the others agree without them."""
        tried = [
            self.followed_by(ads[leading:])
            for leading in range(LEADING + 1)
            if leading == 0 or len(ads) - leading >= PROOF
        ]
        listed = (order for order in tried if isinstance(order.by_listed, datetime))
        touched = (order for order in tried if isinstance(order.by_touched, datetime))
        return next(listed, next(touched, tried[0]))

    def stored(self) -> list[str | bool | None]:
        """As JSON keeps it."""
        return [
            one.isoformat() if isinstance(one, datetime) else one
            for one in (self.by_listed, self.by_touched)
        ]

    @classmethod
    def restored(cls, stored: Sequence[str | bool | None] | None) -> Order:
        """As it was before ``stored()``."""
        return cls(
            *(datetime.fromisoformat(one) if isinstance(one, str) else one for one in stored or ())
        )


def _next(last: datetime | bool | None, value: datetime | None) -> datetime | bool:
    if value is None or last is False:
        return False
    return False if isinstance(last, datetime) and value > last else value


def touched_at(ad: Dated) -> datetime | None:
    """When the ad was listed or last edited, whichever is later."""
    times = [at for at in (ad.listed_at, ad.edited_at) if at is not None]
    return max(times, default=None)


def is_recent(ad: Dated, since: datetime) -> bool:
    """Whether an ad was listed or touched since then; one that does not say is taken as recent."""
    touched = touched_at(ad)
    return touched is None or touched >= since


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which ads of a category a scrape would have shown: all, or those above ``below``."""

    whole: bool
    by_touched: bool = False
    below: datetime | None = None


def coverage(order: Order, *, whole: bool) -> Coverage | None:
    """What a complete scrape covers; None when that cannot be said.

    When both orders fit, the one by listing is used: what it covers the other covers too.
    """
    if whole:
        return Coverage(whole=True)
    if isinstance(order.by_listed, datetime):
        return Coverage(whole=False, by_touched=False, below=order.by_listed)
    if isinstance(order.by_touched, datetime):
        return Coverage(whole=False, by_touched=True, below=order.by_touched)
    return None
