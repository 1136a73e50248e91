"""Alpha Vantage (www.alphavantage.co/query, key needed); every refusal comes with HTTP 200.

Free keys: 25 calls a day, 1 a second.  Refusals differ by their words only.  Its documentation does not
list them; those below are quoted by many public clients.
"""

import codecs
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tasks.prices import values
from tasks.prices.bars import Bar, ascending, parse_bar
from tasks.prices.sources.source_errors import PremiumOnly, SettingRefused
from tasks.prices.values import Price
from workers.errors import BrokenResponse, NotFound, RateLimited, SettingMissing, UpstreamError
from workers.execution import computing, count_words, settings
from workers.upstreams import CallOptions, Response, UpstreamClient, http_date, refuse_challenge

UPSTREAM = NAME = "alpha_vantage"
VARIABLE = "WATCHKEEPER_ALPHA_VANTAGE_API_KEY"
#: How long to wait after a limit of each span (seconds).  A day's limit is taken to end at midnight in
#: New York, the time zone of the data: its documentation does not say.
PAUSES: Mapping[str, float] = {"second": 1.5, "minute": 60.0, "hour": 3600.0}
DAY_ENDS_IN = ZoneInfo("America/New_York")
#: Its clock may differ from ours: wait so long beyond midnight, and after a refusal within the first
#: hour, which may be about the day before, only an hour (seconds).
MIDNIGHT_MARGIN = 60.0
FIRST_HOUR = 3600.0
_EACH = r"(?:\b(?:per|an?|each|every)[\s-]+|/\s*)"
_SPANS: Mapping[str, re.Pattern[str]] = {
    "second": re.compile(_EACH + r"(?:[1-9][\s-]*)?sec(?:ond)?s?\b|/s\b"),
    "minute": re.compile(_EACH + r"(?:(?:[1-5]?\d[\s-]*)?min(?:ute)?s?|60[\s-]*sec(?:ond)?s?)\b"),
    "hour": re.compile(_EACH + r"(?:(?:[1-9][\s-]*)?(?:hour|hr)s?|60[\s-]*min(?:ute)?s?)\b|\bhourly\b"),
    "day": re.compile(_EACH + r"(?:(?:1[\s-]*)?day|24[\s-]*(?:hour|hr)s?)\b|\bdaily\b"),
}
_IS_LIMIT = re.compile(
    rf"rate limit|call frequency|spreading out|burst|(?:\b(?:requests?|calls?)|\d)\s*{_EACH}"
)
#: Where the refusal ends and the offer of a paid plan begins; the plan's limits are not this key's.
_OFFER = re.compile(r"\b(?:please|you may|you can|to)\s+(?:subscribe|visit|upgrade|unlock)\b|https?://")
#: Seconds.
TIMEOUT = 20.0
#: A compact response holds the last 100 sessions; days further back than this need a full one.
COMPACT_REACH = timedelta(days=90)

Size = Literal["compact", "full"]

#: Key that was refused a full response → the day of the refusal; it is not asked again that day.
free_keys: dict[str, date] = {}


def ready() -> str:
    return settings().require("alpha_vantage_api_key", "Alpha Vantage gives prices only with a key")


def _ask(client: UpstreamClient, function: str, **params: str) -> Any:
    key = ready()
    asked = {"function": function, **params, "apikey": key}
    options = CallOptions(params=asked, secrets=(key,), check=check, timeout=TIMEOUT)
    return client.get(UPSTREAM, "/query", options).json()


def fetch_price(client: UpstreamClient, symbol: str, _today: date) -> Price:
    """The latest price of ``symbol`` (GLOBAL_QUOTE); NotFound when there is no such symbol."""
    return parse_price(_ask(client, "GLOBAL_QUOTE", symbol=symbol), symbol)


def fetch_bars(client: UpstreamClient, symbol: str, first: date | None, today: date) -> list[Bar]:
    """Daily bars from ``first`` on (None: the last 100): TIME_SERIES_DAILY.

    A free key is refused older bars: the first time a day PremiumOnly is raised, then the last 100 are
    returned.
    """
    size = output_size(first, today)
    if size == "full" and free_keys.get(ready()) == today:
        size = "compact"
    try:
        body = _ask(client, "TIME_SERIES_DAILY", symbol=symbol, outputsize=size)
    except PremiumOnly as error:
        if error.smaller:
            free_keys[ready()] = today
        raise
    with computing():
        return parse_bars(body, symbol)


def output_size(first: date | None, today: date) -> Size:
    return "full" if first is not None and today - first > COMPACT_REACH else "compact"


def check(response: Response) -> None:
    if response.content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}:
        now = http_date(response.headers.get("date")) or datetime.now(UTC)
        error = classify(response.json(), now)
        if error is not None:
            raise error
    refuse_challenge(response)


def classify(body: Any, now: datetime | None = None) -> UpstreamError | SettingMissing | None:
    """The error that a refusal's words stand for, or None when the body is no refusal."""
    if not isinstance(body, Mapping):
        return BrokenResponse(UPSTREAM, "the response is not an object")
    said = [body[name] for name in ("Error Message", "Information", "Note") if name in body]
    if not said:
        return None
    message = " ".join(one for one in said if isinstance(one, str))
    text, now = message.lower(), now or datetime.now(UTC)
    refusal = _OFFER.split(text, maxsplit=1)[0]
    return (
        _meaning(refusal, now)
        or _meaning(text, now)
        or BrokenResponse(UPSTREAM, f"says: {values.words(message)}")
    )


def _meaning(text: str, now: datetime) -> UpstreamError | SettingMissing | None:
    if "apikey is invalid or missing" in text:
        return SettingRefused(VARIABLE, "Alpha Vantage says that the key is invalid")
    if "demo** api key" in text or "demo api key" in text:
        return SettingRefused(VARIABLE, "the demo key gives demo responses only; claim a free one")
    if _IS_LIMIT.search(text):
        return _limit(text, now)
    if "premium feature" in text:
        return PremiumOnly(UPSTREAM, "this much history needs a paid key", smaller=True)
    if "premium endpoint" in text:
        return PremiumOnly(UPSTREAM, "this call needs a paid key", smaller=False)
    if "invalid api call" in text:
        # The form of our calls is fixed, so what it does not know is the symbol.
        return NotFound(UPSTREAM, "it knows no such symbol")
    return None


def _limit(text: str, now: datetime) -> RateLimited:
    """The limit of the shortest span that is named; longer ones are only mentioned beside it."""
    spans = (span for span, pattern in _SPANS.items() if pattern.search(text))
    span = next(spans, "second" if "spreading out" in text or "burst" in text else "day")
    if span == "day":
        detail = "the day's quota of the key is used up"
        return RateLimited(UPSTREAM, detail, retry_after=_to_midnight(now))
    article = "an" if span == "hour" else "a"
    return RateLimited(UPSTREAM, f"too many calls {article} {span}", retry_after=PAUSES[span])


def _to_midnight(now: datetime) -> float:
    """Seconds until the vendor's day ends, or an hour within the day's first hour."""
    local = now.astimezone(DAY_ENDS_IN)
    begun = datetime.combine(local.date(), time(), DAY_ENDS_IN)
    ends = datetime.combine(local.date() + timedelta(days=1), time(), DAY_ENDS_IN)
    if now - begun < timedelta(seconds=FIRST_HOUR):
        return FIRST_HOUR
    return (ends - now.astimezone(UTC)).total_seconds() + MIDNIGHT_MARGIN


def _require(symbol: str, given: Any) -> None:
    """Raise BrokenResponse when the response is about another symbol; one that names none passes."""
    if not isinstance(given, str) or not given.strip():
        return
    if _plain(given) != _plain(symbol):
        raise BrokenResponse(
            UPSTREAM, f'was asked for {symbol}, answered for "{values.words(given)[:20]}"'
        )


def _plain(symbol: str) -> str:
    """A symbol as both spellings have it: BRK.B and BRK-B are the same."""
    return symbol.strip().upper().replace("-", ".")


def _quote_of(body: Any) -> Any:
    """The quote; plans with delayed prices add to its key ("Global Quote - DATA DELAYED BY …")."""
    if not isinstance(body, Mapping):
        return None
    return next((value for key, value in body.items() if str(key).startswith("Global Quote")), None)


def parse_price(body: Any, symbol: str) -> Price:
    """The price of a GLOBAL_QUOTE response; an empty quote means an unknown symbol."""
    quote = _quote_of(body)
    if not isinstance(quote, Mapping):
        raise BrokenResponse(UPSTREAM, "response holds no quote")
    if not any(str(value or "").strip() for value in quote.values()):
        raise NotFound(UPSTREAM, f"it does not know the symbol {symbol}")
    _require(symbol, quote.get("01. symbol"))
    price = values.amount(quote.get("05. price"))
    if price is None:
        said = quote.get("05. price")
        what = "no price" if said is None else f'"{values.words(said)}" as the price'
        raise BrokenResponse(UPSTREAM, f"gives {what} of {symbol}")
    session = values.day(quote.get("07. latest trading day"))
    if session is None:
        raise BrokenResponse(UPSTREAM, f"quote of {symbol} names no trading day")
    volume = values.count(quote.get("06. volume"))
    return Price(symbol, price, session, volume, values.amount(quote.get("08. previous close")))


def parse_bars(body: Any, symbol: str) -> list[Bar]:
    """Bars of a TIME_SERIES_DAILY response, ascending; a row that is no bar is passed over."""
    series = body.get("Time Series (Daily)") if isinstance(body, Mapping) else None
    if not isinstance(series, Mapping):
        raise BrokenResponse(UPSTREAM, "response holds no daily series")
    about = body.get("Meta Data")
    if isinstance(about, Mapping):
        _require(symbol, about.get("2. Symbol"))
    bars = [bar for day, row in series.items() if (bar := _bar(day, row)) is not None]
    if series and not bars:
        raise BrokenResponse(
            UPSTREAM, f"none of {count_words(len(series), 'row')} of {symbol} is a bar"
        )
    return ascending(bars)


def _bar(day: Any, row: Any) -> Bar | None:
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    return parse_bar(day, *(row.get(name) for name in names)) if isinstance(row, Mapping) else None
