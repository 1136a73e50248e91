"""Filters that apply before rules (pure): types of listings, regions, statuses, reputation.

Global filters hold for every rule.  A rule's own replace them field by field: None keeps the global
one, an empty list sets no limit.  A listing without type or regions passes.  A listing whose seller's
reputation is unknown fails ``min_seller_reputation``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from tasks.watches.comparing import folded


@dataclass(frozen=True, slots=True)
class Filters:
    """Limits; an empty one limits nothing."""

    listing_types: Sequence[str] = ()
    exclude_listing_types: Sequence[str] = ()
    ships_to: Sequence[str] = ()
    exclude_status: Sequence[str] = ("sold", "closed", "traded", "expired", "deleted")
    min_seller_reputation: int | None = None
    categories: Sequence[str] = ()

    def overridden(self, own: Mapping[str, Any] | None) -> Filters:
        names = {field.name for field in fields(self)}
        unknown = (own or {}).keys() - names
        if unknown:
            raise ValueError(
                f"no filter {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}"
            )
        for name, value in (own or {}).items():
            _check(name, value)
        return replace(
            self, **{name: value for name, value in (own or {}).items() if value is not None}
        )

    def passes(self, ad: Mapping[str, Any]) -> bool:
        kind, reputation = _folded(ad.get("listing_type")), ad.get("seller_reputation")
        least = self.min_seller_reputation
        return (
            (not kind or not self.listing_types or kind in map(_folded, self.listing_types))
            and (not kind or kind not in map(_folded, self.exclude_listing_types))
            and _folded(ad.get("status")) not in map(_folded, self.exclude_status)
            and (least is None or (reputation is not None and reputation >= least))
            and self._region_fits(ad.get("shipping_regions"))
            and self._category_fits(ad)
        )

    def refusing(self, ad: Mapping[str, Any]) -> list[str]:
        """Names of the filters that the ad does not pass."""
        none = Filters(exclude_status=())
        return [
            field.name
            for field in fields(self)
            if not replace(none, **{field.name: getattr(self, field.name)}).passes(ad)
        ]

    def _region_fits(self, regions: str | Sequence[str] | None) -> bool:
        text = regions if isinstance(regions, str) or regions is None else ", ".join(regions)
        if not text or not self.ships_to:
            return True
        words = f"-{_slug(text)}-"
        found = [_region(_slug(region)).search(words) for region in self.ships_to]
        is_anywhere = _ANYWHERE.search(words) is not None
        return any(is_anywhere if one is None else one["no"] is None for one in found)

    def _category_fits(self, ad: Mapping[str, Any]) -> bool:
        """By name or slug, either as part of the other.

        "headphones" takes in "Full-Size Headphones", and "DACs and amps" takes in "DACs".
        """
        names = [_slug(ad.get(name) or "") for name in ("category", "category_slug")]
        wanted = [_slug(category) for category in self.categories]
        return not wanted or any(
            one in name or name in one for one in filter(None, wanted) for name in filter(None, names)
        )


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if name == "min_seller_reputation":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"filter {name} is a whole number, {value!r} is not")
    elif not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'filter {name} is a list of texts: {{"{name}": ["…"]}}')
    elif not all(_slug(one) for one in value):
        raise ValueError(f"filter {name} holds an empty text: it would fit everything or nothing")


#: Includes every region; not "anywhere in the US".
_ANYWHERE = re.compile(
    r"-(?<!-not-)(?:anywhere|everywhere|world-?wide)-(?!(?:in|within)-(?!the-world-))"
)


@lru_cache(maxsize=4096)
def _region(slug: str) -> re.Pattern[str]:
    """A region in a list, and whether the list leaves it out: "Europe (not UK)"."""
    return re.compile(rf"-(?P<no>(?:no|not|not-to|except|excluding)-)?{re.escape(slug)}-")


def _folded(text: str | None) -> str:
    return folded(text or "").strip()


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", folded(text)).strip("-")
