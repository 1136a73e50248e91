"""Which tokens a discovery run chooses (pure): each filter says why it rejects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tasks.discovery.addresses import normalise
from tasks.discovery.pairs import Pair


class Limits(Protocol):
    """The options that filters read."""

    @property
    def min_price_change_pct(self) -> float: ...
    @property
    def min_volume_usd(self) -> float: ...
    @property
    def min_liquidity_usd(self) -> float: ...
    @property
    def max_token_age_hours(self) -> int: ...
    @property
    def include(self) -> list[str]: ...
    @property
    def exclude(self) -> list[str]: ...


def rejection(address: str, pair: Pair | None, limits: Limits, now: datetime) -> str | None:
    """Why the token is not chosen, or None when it passes every filter.

    A value that is not known fails a filter that asks for something, and passes one set to 0; one that
    is known and less than asked for fails either: a fall of 50 % is no change of 0 % or more.
    """
    names = {normalise(address)}
    if pair is not None and pair.symbol:
        names.add(pair.symbol.casefold())
    if names & _names(limits.exclude):
        return "on the exclude list"
    if limits.include and not names & _names(limits.include):
        return "not on the include list"
    if pair is None:
        return "no pair with the token as its base is known"
    return _too_little(pair, limits) or _too_old(pair, limits, now)


def _names(listed: Iterable[str]) -> set[str]:
    """Addresses as they are keyed and symbols without case: a list may hold both."""
    given = [name.strip() for name in listed]
    return {normalise(name) for name in given} | {name.casefold() for name in given}


def _too_little(pair: Pair, limits: Limits) -> str | None:
    checks = (
        ("volume of 24 h", pair.volume_h24, limits.min_volume_usd, " USD"),
        ("liquidity", pair.liquidity_usd, limits.min_liquidity_usd, " USD"),
        ("price change of 24 h", pair.price_change_h24, limits.min_price_change_pct, " %"),
    )
    for name, value, least, unit in checks:
        wanted = Decimal(str(least))
        if wanted > 0 if value is None else value < wanted:
            shown = "unknown" if value is None else f"{_plain(value)}{unit}"
            return f"{name} {shown}, wanted {_plain(wanted)}{unit} or more"
    return None


def _plain(number: Decimal) -> str:
    """Without an exponent and without zeros that say nothing: 1000000, 0.5."""
    whole = f"{number:f}"
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def _too_old(pair: Pair, limits: Limits, now: datetime) -> str | None:
    age = pair.age(now)
    if age is not None and age <= timedelta(hours=limits.max_token_age_hours):
        return None
    shown = "age unknown" if age is None else f"{age.total_seconds() / 3600:.1f} h old"
    return f"{shown}, wanted {limits.max_token_age_hours} h or less"
