"""Which tokens a discovery run chooses (pure): each filter says why it rejects."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

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


def rejection(pair: Pair | None, limits: Limits, now: datetime) -> str | None:
    """Why the token is not chosen, or None when it passes every filter.

    A value that is not known fails a filter that asks for something, and passes one set to 0.
    """
    if pair is None:
        return "no pair with the token as its base is known"
    checks = (
        ("volume of 24 h", pair.volume_h24, limits.min_volume_usd, " USD"),
        ("liquidity", pair.liquidity_usd, limits.min_liquidity_usd, " USD"),
        ("price change of 24 h", pair.price_change_h24, limits.min_price_change_pct, " %"),
    )
    for name, value, least, unit in checks:
        if least > 0 and (value is None or value < Decimal(str(least))):
            shown = "unknown" if value is None else f"{value.normalize():f}{unit}"
            return f"{name} {shown}, wanted {least:g}{unit} or more"
    if pair.created_at is not None:
        age = now - pair.created_at
        if age > timedelta(hours=limits.max_token_age_hours):
            return (
                f"{age.total_seconds() / 3600:.0f} h old, wanted {limits.max_token_age_hours} h or less"
            )
    return None
