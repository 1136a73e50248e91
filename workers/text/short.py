"""Times, lengths and numbers in few characters, as lists show them (pure).

The console's app.js has the same words.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def span(seconds: float) -> str:
    """A length of time in its greatest unit, and the next one below ten: "2h 5m", "41s"."""
    if seconds < 1:
        return "0s"
    at = next(number for number, (_, size) in enumerate(_UNITS) if seconds >= size)
    unit, size = _UNITS[at]
    whole = int(seconds // size)
    rest = int((seconds - whole * size) // _UNITS[at + 1][1]) if whole < 10 and unit in "dh" else 0
    return f"{whole}{unit} {rest}{_UNITS[at + 1][0]}" if rest else f"{whole}{unit}"


def took(length: timedelta | None) -> str:
    """How long something took: milliseconds below a second, tenths below a minute."""
    if length is None:
        return "–"
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


def relative(at: datetime, now: datetime) -> str:
    passed = (now - at).total_seconds()
    if passed < 0:
        return f"in {span(-passed)}"
    return "now" if passed < 1 else f"{span(passed)} ago"


def exact(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: Any) -> str:
    """A number with thousands apart; not more digits than say something."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        plain = Decimal(str(value))
        if not plain.is_finite():
            return str(value)
        digits = 2 if abs(plain) >= 1 else 6
        text = f"{plain:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def title(column: str) -> str:
    """A column's name as a heading: "price_change_h24" is "Price change h24"."""
    text = column.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
