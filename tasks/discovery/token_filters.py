"""The filters of a discovery run (pure)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tasks.discovery.pairs import Pair
from tasks.discovery.token_addresses import normalise


class Limits(Protocol):
    min_price_change_pct: float
    min_volume_usd: float
    min_liquidity_usd: float
    max_token_age_hours: int
    include: list[str]
    exclude: list[str]


def rejection(address: str, pair: Pair | None, limits: Limits, now: datetime) -> str | None:
    """Why the token is rejected, or None when it passes every filter.

    An unknown value passes only a filter set to 0.  A known value must reach the filter's, also when
    that is 0: a fall of 50 % does not pass.
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
    whole = f"{number:f}"
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def _too_old(pair: Pair, limits: Limits, now: datetime) -> str | None:
    age = pair.age(now)
    if age is not None and age <= timedelta(hours=limits.max_token_age_hours):
        return None
    shown = "age unknown" if age is None else f"{age.total_seconds() / 3600:.1f} h old"
    return f"{shown}, wanted {limits.max_token_age_hours} h or less"
