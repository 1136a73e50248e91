"""Asks the sources in order until one answers.

The error of a source is stored with the item before the next source is asked, so that no answer is
paid for twice when the item is continued after a wait or a crash.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, Protocol, TypeVar

import structlog
from pydantic import Field

from tasks.prices import outcomes
from tasks.prices.bars import Bar
from tasks.prices.sources import alpha_vantage, replay, stooq
from tasks.prices.sources.source_errors import NoBars, NotCovered, PremiumOnly
from tasks.prices.values import Price
from tasks.prices.watch import WATCH
from workers.errors import (
    BrokenResponse,
    HandBack,
    NotFound,
    QuotaSpent,
    QuotaWait,
    SettingMissing,
    UpstreamError,
)
from workers.execution import Item, Work, count_words
from workers.ledger import Options
from workers.upstreams import UpstreamClient

T = TypeVar("T")
SourceName = Literal["alpha_vantage", "stooq", "replay"]
Failure = UpstreamError | SettingMissing | QuotaSpent | QuotaWait

log = structlog.stdlib.get_logger(__name__)


class Source(Protocol):
    """What a module in `sources` offers."""

    def ready(self) -> object: ...

    def fetch_price(self, client: UpstreamClient, symbol: str, today: date, /) -> Price: ...

    def fetch_bars(
        self, client: UpstreamClient, symbol: str, first: date | None, today: date, /
    ) -> list[Bar]:
        """Bars from ``first`` on, ascending."""


SOURCES: Mapping[str, Source] = {"alpha_vantage": alpha_vantage, "stooq": stooq, "replay": replay}

#: What the price tasks declare alike.
KIND: Mapping[str, Any] = {
    "queue": WATCH.queue,
    "upstream": alpha_vantage.UPSTREAM,
    "batch_size": 5,
    "in_flight": 5,
    "min_every": timedelta(minutes=1),
}
#: Kinds of errors that are stored with an item, subclasses first.
STORED_ERRORS: Mapping[str, type[UpstreamError]] = {
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
        return list(dict.fromkeys([self.source, *self.fallback]))


def require_ready(order: Sequence[str]) -> None:
    """Raise SettingMissing of the first source unless one has its settings."""
    missing: list[SettingMissing] = []
    for name in order:
        try:
            SOURCES[name].ready()
            return
        except SettingMissing as error:
            missing.append(error)
    raise missing[0]


#: A session may be of tomorrow: dates are those of the exchanges, ``today`` is that of UTC.
DAY = timedelta(days=1)
#: Symbols wait so long for the one before (seconds).
SLOW = 1.0


def each(work: Work[Any], fetch: Callable[[Work[Any], Item], None]) -> None:
    """Fetch every item; an item that must wait for its only source left delays no other."""
    held: list[QuotaWait] = []

    def do(part: Work[Any], item: Item) -> None:
        try:
            _fetch(part, item, fetch)
        except QuotaWait as wait:
            if not wait.blocked or len(part.options.order) == 1:
                raise
            held.append(wait)

    # In the order of their priorities, as long as the sources answer.
    work.each(do, slow=SLOW)
    if held:
        # A QuotaWait would hold back the run's other batches too.
        until = work.now() + timedelta(seconds=held[0].seconds)
        raise HandBack(str(held[0]), not_before=until)


def summary(counts: Mapping[str, int], done: str, *others: str) -> str:
    """Counts as in: 5 refreshed, 12 new bars, 1 not found."""
    text = f"{counts.get(done, 0)} {done}, {count_words(counts.get('bars', 0), 'new bar')}"
    shown = (name for name in others if counts.get(name))
    return text + "".join(f", {counts[name]} {name.replace('_', ' ')}" for name in shown)


def _fetch(work: Work[Any], item: Item, fetch: Callable[[Work[Any], Item], None]) -> None:
    try:
        fetch(work, item)
    except NotFound as error:
        # The answer is known: the item is done.
        with work.done(item, not_found=1) as connection:
            outcomes.put(connection, work.run_id, item.key, "not_found", detail=error.detail)
    except QuotaSpent as error:
        if len(work.options.order) == 1:
            raise
        # Another source may still serve the next item.
        work.defer(item, reason=str(error))


def fetch_bars(
    work: Work[Any],
    item: Item,
    order: Sequence[str],
    first: date | None,
    today: date,
    pick: Callable[[list[Bar]], list[Bar]] = list,
) -> tuple[str, list[Bar]]:
    """The first source that has bars of the symbol from ``first`` on, and those that ``pick`` leaves.

    A source of whose bars none is left counts as one without any (NoBars).
    """

    def ask(name: str) -> list[Bar]:
        found = pick(_bars(work, item, name, first, today))
        if not found:
            since = f" from {first} on" if first else ""
            raise NoBars(name, f"it has no bars for {item.key}{since}")
        return found

    return _ask(work, item, order, ask)


def fetch_price(work: Work[Any], item: Item, order: Sequence[str], today: date) -> tuple[str, Price]:
    def ask(name: str) -> Price:
        price = SOURCES[name].fetch_price(work.client, item.key, today)
        if price.session_date > today + DAY:
            raise BrokenResponse(
                name, f"its price of {item.key} is of {price.session_date}, a day to come"
            )
        return price

    return _ask(work, item, order, ask)


def _bars(work: Work[Any], item: Item, name: str, first: date | None, today: date) -> list[Bar]:
    """Bars of one source, without those of days to come.

    A quote of a day to come would be the latest until then.
    """
    given = _given(work, item, name, first, today)
    found = [bar for bar in given if bar.date <= today + DAY]
    if given and not found:
        raise BrokenResponse(name, f"its bars of {item.key} are all of days to come")
    return found


def _given(work: Work[Any], item: Item, name: str, first: date | None, today: date) -> list[Bar]:
    """What a source gives; less than asked for where the key's plan gives no more."""
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
            failures.append(STORED_ERRORS[tried[name][0]](name, tried[name][1]))
            continue
        try:
            return name, ask(name)
        except (UpstreamError, SettingMissing, QuotaSpent, QuotaWait) as error:
            if isinstance(error, QuotaWait) and not error.blocked:
                raise
            failures.append(error)
            log.info("source.failed", source=name, symbol=item.key, reason=str(error))
            if isinstance(error, UpstreamError) and len(work.options.order) > 1:
                # Stored errors have the kinds below: with another source a block does not end a batch.
                kind = next(kind for kind, its in STORED_ERRORS.items() if isinstance(error, its))
                failures[-1] = STORED_ERRORS[kind](name, error.detail)
                with work.save(item, tried={**tried, name: [kind, error.detail]}):
                    pass
    raise verdict(failures)


def verdict(failures: Sequence[Failure]) -> Failure:
    """The error that the failures of all sources, in their order, mean together.

    The first source that answers is authoritative.  A source that lacks its key, or has no symbols of
    this kind, has not answered.
    """
    answers = [one for one in failures if not isinstance(one, SettingMissing | NotCovered)]
    if answers and isinstance(answers[0], NotFound):
        return answers[0]
    # A block or a quota ends by itself: asking again later is better than giving up.
    blocked = [one for one in answers if isinstance(one, QuotaWait)]
    spent = [one for one in answers if isinstance(one, QuotaSpent)]
    uncovered = [one for one in failures if isinstance(one, NotCovered)]
    return (blocked or spent or answers or uncovered or list(failures))[0]
