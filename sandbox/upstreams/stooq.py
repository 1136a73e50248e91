"""Imitates stooq.com/q/d/l: daily bars as CSV; every refusal is plain text with status 200."""

from datetime import date, datetime

from sandbox.upstreams.bars import series
from sandbox.upstreams.base import Reply, Request, Site
from sandbox.upstreams.strict import Window

#: Stooq's endings of the symbols known here.
ENDINGS = {".us": "", ".uk": ".LON"}
SPENT = b"Exceeded the daily hits limit"
NO_DATA = b"No data"


def _text(body: bytes) -> Reply:
    return 200, {"Content-Type": "text/plain; charset=utf-8"}, body


def refuse(_request: Request, _window: Window | None, _wait: float) -> Reply:
    """Too much: 200 with words."""
    return _text(SPENT)


def symbol_of(name: str) -> str:
    """aapl.us → AAPL, brk-b.us → BRK.B, tsco.uk → TSCO.LON; "" for an unknown ending."""
    for ending, ours in ENDINGS.items():
        if name.lower().endswith(ending):
            return name[: -len(ending)].upper().replace("-", ".") + ours
    return ""


def _day(text: str | None, otherwise: date) -> date:
    try:
        return datetime.strptime(text or "", "%Y%m%d").date()  # noqa: DTZ007  # a day, no instant
    except ValueError:
        return otherwise


def respond(request: Request) -> Reply:
    """Answer one call: bars from d1 to d2, ascending."""
    if request.path.rstrip("/") != "/q/d/l":
        return 404, {}, b"not found"
    found = series(symbol_of(request.query.get("s", "")), request.now)
    if found is None or request.query.get("i", "d") != "d":
        return _text(NO_DATA)
    first, last = _day(request.query.get("d1"), date.min), _day(request.query.get("d2"), date.max)
    lines = [
        f"{day},{row.open:.4f},{row.high:.4f},{row.low:.4f},{row.close:.4f},{row.volume}"
        for day, row in found.items()
        if first <= day <= last
    ]
    if not lines:
        return _text(NO_DATA)
    return _text("\r\n".join(["Date,Open,High,Low,Close,Volume", *lines, ""]).encode())


#: Its own limit is by the day and not documented.
SITE = Site("stooq", respond, limits=[(200, 86400.0)], refuse=refuse)
