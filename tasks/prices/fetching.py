"""Asks the sources in order until one answers; tells "no such symbol" from "nobody could say"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Literal, Protocol, TypeVar

import structlog
from pydantic import Field

from tasks.prices.bars import Bar
from tasks.prices.quotes import Price
from tasks.prices.sources import alpha_vantage, replay, stooq
from workers.errors import NotFound, QuotaSpent, SettingMissing, UpstreamError
from workers.kinds import Options
from workers.upstream import Door

T = TypeVar("T")
SourceName = Literal["alpha_vantage", "stooq", "replay"]

log = structlog.stdlib.get_logger(__name__)


class Source(Protocol):
    """What a module in `sources` offers."""

    def ready(self) -> None:
        """Raise SettingMissing when a setting it needs is absent."""

    def fetch_price(self, door: Door, symbol: str, today: date, /) -> Price:
        """The latest price, or an UpstreamError."""

    def fetch_bars(self, door: Door, symbol: str, first: date | None, today: date, /) -> list[Bar]:
        """Bars from ``first`` on, ascending, or an UpstreamError."""


SOURCES: Mapping[str, Source] = {
    "alpha_vantage": alpha_vantage,
    "stooq": stooq,
    "replay": replay,
}


class SourceOptions(Options):
    """Where prices come from."""

    source: SourceName = Field("alpha_vantage", description="Source asked first")
    fallback: list[SourceName] = Field(
        default_factory=list, max_length=3, description="Asked in turn when those before cannot answer"
    )

    @property
    def order(self) -> list[str]:
        """Sources in the order they are asked."""
        return list(dict.fromkeys([self.source, *self.fallback]))


def require_ready(order: Sequence[str]) -> None:
    """Raise SettingMissing of the first source when none can be asked at all."""
    missing: SettingMissing | None = None
    for name in order:
        try:
            SOURCES[name].ready()
            return
        except SettingMissing as error:
            missing = missing or error
    if missing is not None:
        raise missing


def fetch_bars(
    door: Door, order: Sequence[str], symbol: str, first: date | None, today: date
) -> tuple[str, list[Bar]]:
    """The first source that knows the symbol, and its bars from ``first`` on."""
    return _ask(order, symbol, lambda source: source.fetch_bars(door, symbol, first, today))


def fetch_price(door: Door, order: Sequence[str], symbol: str, today: date) -> tuple[str, Price]:
    """The first source that knows the symbol, and its price."""
    return _ask(order, symbol, lambda source: source.fetch_price(door, symbol, today))


def _ask(order: Sequence[str], symbol: str, ask: Callable[[Source], T]) -> tuple[str, T]:
    failures: list[UpstreamError | SettingMissing | QuotaSpent] = []
    for name in order:
        try:
            return name, ask(SOURCES[name])
        except (UpstreamError, SettingMissing, QuotaSpent) as error:
            failures.append(error)
            log.info("source.failed", source=name, symbol=symbol, reason=str(error))
    raise verdict(failures)


def verdict(
    failures: Sequence[UpstreamError | SettingMissing | QuotaSpent],
) -> UpstreamError | SettingMissing | QuotaSpent:
    """What the failures of all sources, in their order, mean together.

    The first that was able to speak decides: its "not found" is no outage, its outage no "not found".
    A source that lacks its key was never able to.
    """
    able = [failure for failure in failures if not isinstance(failure, SettingMissing)]
    if able and isinstance(able[0], NotFound):
        return able[0]
    # A quota comes back by itself: better asked again then than written off for an outage.
    spent = [failure for failure in able if isinstance(failure, QuotaSpent)]
    return (spent or able or list(failures))[0]
