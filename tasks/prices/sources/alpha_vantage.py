"""Alpha Vantage (www.alphavantage.co/query, key needed); every refusal comes as HTTP 200.

Free keys: 25 calls a day, 1 a second.  Refusals are told apart by their words, which its documentation
does not list; those below are quoted by many public clients.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tasks.prices import values
from tasks.prices.bars import Bar, told
from tasks.prices.quotes import Price
from tasks.prices.sources.refusals import BadCall, LimitReached, PremiumOnly, Scope, SettingRefused
from workers.errors import Blocked, BrokenAnswer, NotFound, SettingMissing, UpstreamError
from workers.settings import settings
from workers.upstreams import CallOptions, Response, UpstreamClient, http_date, is_challenge

UPSTREAM = NAME = "alpha_vantage"
VARIABLE = "WATCHKEEPER_ALPHA_VANTAGE_API_KEY"
#: How long a limit of each span is believed; then one call goes first to try (seconds).  A day's ends
#: at midnight in New York, the time zone of its data: when its day ends is not documented.
PAUSES: Mapping[Scope, float] = {"second": 1.5, "minute": 60.0, "hour": 3600.0}
DAY_ENDS_IN = ZoneInfo("America/New_York")
#: Refused so soon after midnight, the day before may be meant: its clock need not be ours (seconds).
MIDNIGHT_MARGIN = 60.0
EARLY = 3600.0
_EACH = r"(?:\b(?:per|an?|each|every)[\s-]+|/\s*)"
_SPANS: Mapping[Scope, re.Pattern[str]] = {
    "second": re.compile(_EACH + r"(?:second|sec)\b|/s\b"),
    "minute": re.compile(_EACH + r"(?:minute|min)\b"),
    "hour": re.compile(_EACH + r"(?:hour|hr)\b|\bhourly\b"),
    "day": re.compile(_EACH + r"day\b|\bdaily\b"),
}
_IS_LIMIT = re.compile(
    rf"rate limit|call frequency|spreading out|burst|(?:\b(?:requests?|calls?)|\d)\s*{_EACH}"
)
#: Where the refusal ends and the offer begins: what a plan would give is no limit of this key.
_OFFER = re.compile(r"\b(?:please|you may|you can|to)\s+(?:subscribe|visit|upgrade|unlock)\b|https?://")
#: Longest wait for a whole answer (seconds).
TIMEOUT = 20.0
#: Compact answers hold the last 100 sessions: what lies further back than this needs a full one.
COMPACT_REACH = timedelta(days=90)

Size = Literal["compact", "full"]

#: Keys that were refused a full answer → the day of it: until the next day none is paid for again.
_free_keys: dict[str, date] = {}


def forget() -> None:
    """Forget which keys were refused a full answer (between tests)."""
    _free_keys.clear()


def ready() -> None:
    """Raise SettingMissing unless there is a key."""
    _key()


def _key() -> str:
    return settings().require("alpha_vantage_api_key", "Alpha Vantage gives prices only with a key")


def _ask(client: UpstreamClient, function: str, **params: str) -> Any:
    key = _key()
    asked = {"function": function, **params, "apikey": key}
    options = CallOptions(params=asked, secrets=(key,), check=check, timeout=TIMEOUT)
    return client.get(UPSTREAM, "/query", options).json()


def fetch_price(client: UpstreamClient, symbol: str, _today: date) -> Price:
    """The latest price of ``symbol`` (GLOBAL_QUOTE); NotFound when there is no such symbol."""
    return parse_price(_ask(client, "GLOBAL_QUOTE", symbol=symbol), symbol)


def fetch_bars(client: UpstreamClient, symbol: str, first: date | None, today: date) -> list[Bar]:
    """Daily bars from ``first`` on (None: the last 100): TIME_SERIES_DAILY.

    A free key is refused what lies further back (PremiumOnly, the first time a day), and gets the last
    100.
    """
    size = output_size(first, today)
    if size == "full" and _free_keys.get(_key()) == today:
        size = "compact"
    try:
        body = _ask(client, "TIME_SERIES_DAILY", symbol=symbol, outputsize=size)
    except PremiumOnly as error:
        if error.smaller:
            _free_keys[_key()] = today
        raise
    return parse_bars(body, symbol)


def output_size(first: date | None, today: date) -> Size:
    """The smallest answer that reaches back to ``first``."""
    return "full" if first is not None and today - first > COMPACT_REACH else "compact"


def check(answer: Response) -> None:
    """Raise what a refusal inside a 200 means."""
    if answer.content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}:
        now = http_date(answer.headers.get("date")) or datetime.now(UTC)
        error = classify(answer.json(), now)
        if error is not None:
            raise error
    elif is_challenge(answer):
        raise Blocked(UPSTREAM, "shows a challenge page")


def classify(body: Any, now: datetime | None = None) -> UpstreamError | SettingMissing | None:
    """The error that a refusal's words stand for, or None when the body is no refusal."""
    if not isinstance(body, Mapping):
        return BrokenAnswer(UPSTREAM, "answer is no object")
    said = [body[name] for name in ("Error Message", "Information", "Note") if name in body]
    if not said:
        return None
    message = " ".join(one for one in said if isinstance(one, str))
    text, now = message.lower(), now or datetime.now(UTC)
    refusal = _OFFER.split(text, maxsplit=1)[0]
    return (
        _meaning(refusal, now)
        or _meaning(text, now)
        or BrokenAnswer(UPSTREAM, f"says: {values.words(message)}")
    )


def _meaning(text: str, now: datetime) -> UpstreamError | SettingMissing | None:
    if "apikey is invalid or missing" in text:
        return SettingRefused(VARIABLE, "Alpha Vantage says that the key is invalid")
    if "demo** api key" in text or "demo api key" in text:
        return SettingRefused(VARIABLE, "the demo key gives demo answers only; claim a free one")
    if _IS_LIMIT.search(text):
        return _limit(text, now)
    if "premium feature" in text:
        return PremiumOnly(UPSTREAM, "this much history needs a paid key", smaller=True)
    if "premium endpoint" in text:
        return PremiumOnly(UPSTREAM, "this call needs a paid key", smaller=False)
    if "invalid api call" in text:
        return BadCall(UPSTREAM, "it knows no such symbol")
    return None


def _limit(text: str, now: datetime) -> LimitReached:
    """The limit of the shortest span that is named: the longer ones are told beside it."""
    spans = (span for span, pattern in _SPANS.items() if pattern.search(text))
    span = next(spans, "second" if "spreading out" in text or "burst" in text else "day")
    if span == "day":
        return LimitReached(UPSTREAM, "the day's quota of the key is used up", "day", _to_midnight(now))
    article = "an" if span == "hour" else "a"
    return LimitReached(UPSTREAM, f"too many calls {article} {span}", span, PAUSES[span])


def _to_midnight(now: datetime) -> float:
    """Seconds until the vendor's day ends; at the beginning of one, an hour."""
    local = now.astimezone(DAY_ENDS_IN)
    begun = datetime.combine(local.date(), time(), DAY_ENDS_IN)
    ends = datetime.combine(local.date() + timedelta(days=1), time(), DAY_ENDS_IN)
    if now - begun < timedelta(seconds=EARLY):
        return EARLY
    return (ends - now.astimezone(UTC)).total_seconds() + MIDNIGHT_MARGIN


def _require(symbol: str, given: Any) -> None:
    """BrokenAnswer when the answer is about another symbol; one that names none is taken."""
    if not isinstance(given, str) or not given.strip():
        return
    if _plain(given) != _plain(symbol):
        raise BrokenAnswer(
            UPSTREAM, f'was asked for {symbol}, answered for "{values.words(given)[:20]}"'
        )


def _plain(symbol: str) -> str:
    """A symbol without what vendors write in two ways: BRK.B and BRK-B are one."""
    return symbol.strip().upper().replace("-", ".")


def _quote_of(body: Any) -> Any:
    """The quote: its key says more where the plan gives delayed prices ("… - DATA DELAYED BY …")."""
    if not isinstance(body, Mapping):
        return None
    return next((value for key, value in body.items() if str(key).startswith("Global Quote")), None)


def parse_price(body: Any, symbol: str) -> Price:
    """The price of a GLOBAL_QUOTE answer; an empty quote means an unknown symbol."""
    quote = _quote_of(body)
    if not isinstance(quote, Mapping):
        raise BrokenAnswer(UPSTREAM, "answer holds no quote")
    if not quote:
        raise NotFound(UPSTREAM, f"it knows no symbol {symbol}")
    _require(symbol, quote.get("01. symbol"))
    price = values.amount(quote.get("05. price"))
    if price is None:
        said = values.words(quote.get("05. price"))
        raise BrokenAnswer(UPSTREAM, f'gives "{said}" as the price of {symbol}')
    session = values.day(quote.get("07. latest trading day"))
    if session is None:
        raise BrokenAnswer(UPSTREAM, f"quote of {symbol} names no trading day")
    volume = values.count(quote.get("06. volume"))
    return Price(symbol, price, session, volume, values.amount(quote.get("08. previous close")))


def parse_bars(body: Any, symbol: str) -> list[Bar]:
    """Bars of a TIME_SERIES_DAILY answer, ascending; a row that is none is passed over."""
    series = body.get("Time Series (Daily)") if isinstance(body, Mapping) else None
    if not isinstance(series, Mapping):
        raise BrokenAnswer(UPSTREAM, "answer holds no daily series")
    about = body.get("Meta Data")
    if isinstance(about, Mapping):
        _require(symbol, about.get("2. Symbol"))
    bars = [bar for day, row in series.items() if (bar := _bar(day, row)) is not None]
    if series and not bars:
        raise BrokenAnswer(UPSTREAM, f"none of the {len(series)} rows of {symbol} is a bar")
    return sorted(bars, key=lambda bar: bar.date)


def _bar(day: Any, row: Any) -> Bar | None:
    when = values.day(day)
    close = values.amount(row.get("4. close")) if isinstance(row, Mapping) else None
    if when is None or close is None:
        return None
    first, high, low = (values.amount(row.get(name)) for name in ("1. open", "2. high", "3. low"))
    return told(when, first, high, low, close, values.count(row.get("5. volume")))
