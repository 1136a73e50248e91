"""Asks the sources in order until one answers; tells "no such symbol" from "nobody could say".

What a source said is kept with the item before the next is asked: whoever goes on with the item,
after a wait for a quota or a death, pays for no answer twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, Protocol, TypeVar

import structlog
from pydantic import Field

from tasks.prices.bars import Bar
from tasks.prices.quotes import Price
from tasks.prices.sources import alpha_vantage, replay, stooq
from tasks.prices.sources.refusals import NoBars, NotCovered, PremiumOnly
from workers.errors import (
    HandBack,
    NotFound,
    QuotaSpent,
    QuotaWait,
    SettingMissing,
    UpstreamError,
)
from workers.execution.work import Item, Work
from workers.ledger.kinds import Options
from workers.upstreams import UpstreamClient

T = TypeVar("T")
SourceName = Literal["alpha_vantage", "stooq", "replay"]
Failure = UpstreamError | SettingMissing | QuotaSpent | QuotaWait

log = structlog.stdlib.get_logger(__name__)


class Source(Protocol):
    """What a module in `sources` offers."""

    def ready(self) -> object:
        """Raise SettingMissing when a setting it needs is absent."""

    def fetch_price(self, client: UpstreamClient, symbol: str, today: date, /) -> Price:
        """The latest price, or an UpstreamError."""

    def fetch_bars(
        self, client: UpstreamClient, symbol: str, first: date | None, today: date, /
    ) -> list[Bar]:
        """Bars from ``first`` on, ascending, or an UpstreamError."""


SOURCES: Mapping[str, Source] = {
    "alpha_vantage": alpha_vantage,
    "stooq": stooq,
    "replay": replay,
}

#: Errors that are told apart when they are kept with an item, the narrower first.
KEPT: Mapping[str, type[UpstreamError]] = {
    "not covered": NotCovered,
    "no bars": NoBars,
    "not found": NotFound,
    "failed": UpstreamError,
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


def each(work: Work[Any], fetch: Callable[[Work[Any], Item], None]) -> None:
    """Fetch every item; one whose only source left is shut holds up no other."""
    held: QuotaWait | None = None
    for item in work.items():
        try:
            with work.attempt(item):
                fetch(work, item)
        except QuotaWait as wait:
            if not wait.shut or len(work.options.order) == 1:
                raise
            held = held or wait
    if held is not None:
        # Not as a wait for the upstream: that would hold back the run's other batches too.
        until = work.now() + timedelta(seconds=held.seconds)
        raise HandBack(str(held), not_before=until)


def fetch_bars(
    work: Work[Any],
    item: Item,
    order: Sequence[str],
    first: date | None,
    today: date,
    pick: Callable[[list[Bar]], list[Bar]] = list,
) -> tuple[str, list[Bar]]:
    """The first source that has bars of the symbol from ``first`` on, and those that ``pick`` leaves.

    A source of whose bars nothing is left counts as one that has none (NoBars).
    """

    def ask(name: str) -> list[Bar]:
        found = pick(_bars(work, item, name, first, today))
        if not found:
            since = f" from {first} on" if first else ""
            raise NoBars(name, f"it has no bars of {item.key}{since}")
        return found

    return _ask(work, item, order, ask)


def fetch_price(work: Work[Any], item: Item, order: Sequence[str], today: date) -> tuple[str, Price]:
    """The first source that knows the symbol, and its price."""
    return _ask(work, item, order, lambda name: SOURCES[name].fetch_price(work.client, item.key, today))


def _bars(work: Work[Any], item: Item, name: str, first: date | None, today: date) -> list[Bar]:
    """Bars of one source; less than asked for where the key's plan gives no more."""
    source, less = SOURCES[name], item.data.get("less", [])
    if name not in less:
        try:
            return source.fetch_bars(work.client, item.key, first, today)
        except PremiumOnly as error:
            if not error.smaller or first is None:
                raise
        with work.save(item, less=[*less, name]):
            pass
    return source.fetch_bars(work.client, item.key, None, today)


def _ask(work: Work[Any], item: Item, order: Sequence[str], ask: Callable[[str], T]) -> tuple[str, T]:
    failures: list[Failure] = []
    for name in order:
        tried = item.data.get("tried", {})
        if name in tried:
            failures.append(KEPT[tried[name][0]](name, tried[name][1]))
            continue
        try:
            return name, ask(name)
        except (UpstreamError, SettingMissing, QuotaSpent, QuotaWait) as error:
            if isinstance(error, QuotaWait) and not error.shut:
                raise
            failures.append(error)
            log.info("source.failed", source=name, symbol=item.key, reason=str(error))
            if isinstance(error, UpstreamError) and len(work.options.order) > 1:
                # A block is the end of a batch only where there is no other source.
                kind = next(kind for kind in KEPT if isinstance(error, KEPT[kind]))
                failures[-1] = KEPT[kind](name, error.detail)
                with work.save(item, tried={**tried, name: [kind, error.detail]}):
                    pass
    raise verdict(failures)


def verdict(failures: Sequence[Failure]) -> Failure:
    """What the failures of all sources, in their order, mean together.

    The first that was able to speak decides: its "not found" is no outage, its outage no "not found".
    A source that lacks its key, or has no such symbols, was never able to.
    """
    able = [one for one in failures if not isinstance(one, SettingMissing | NotCovered)]
    if able and isinstance(able[0], NotFound):
        return able[0]
    # A door opens and a quota comes back by itself: better asked again then than written off.
    shut = [one for one in able if isinstance(one, QuotaWait)]
    spent = [one for one in able if isinstance(one, QuotaSpent)]
    others = [one for one in failures if isinstance(one, NotCovered)]
    return (shut or spent or able or others or list(failures))[0]
