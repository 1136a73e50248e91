"""Numbers, days and texts as price sources write them (pure): a value or None, never an exception."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tasks.watches.wording import amount_text
from workers.errors import BrokenResponse, redact
from workers.upstreams import cleaned

#: `numeric(20,6)` holds 14 digits before the point (one is left for rounding) and 6 after it.
SMALLEST = Decimal("0.000001")
MAX_DIGITS = 13
#: Of a number or a day (characters).
MAX_LENGTH = 64
#: Of a source's message that an error repeats (characters).
MAX_MESSAGE = 200
#: Years that a bar can be of.
YEARS = range(1900, 2200)


def number(value: Any) -> Decimal | None:
    """A finite number that the database can hold, at six decimals."""
    text = str(value).strip() if isinstance(value, str | int | float | Decimal) else ""
    if not text or len(text) > MAX_LENGTH:
        return None
    try:
        found = Decimal(text)
        # Compared by its exponent: arithmetic on 1e999999999 would overflow.
        if not found.is_finite() or found.adjusted() >= MAX_DIGITS:
            return None
        return found.quantize(SMALLEST, ROUND_HALF_UP)
    except ArithmeticError:
        return None


def amount(value: Any) -> Decimal | None:
    found = number(value)
    return found if found is not None and found > 0 else None


def count(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def day(value: Any) -> date | None:
    """A date written year-month-day; what follows it is ignored."""
    text = value.strip()[:10] if isinstance(value, str) else ""
    if len(text) != 10 or text[4] != "-":
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


def moment(value: Any) -> datetime | None:
    """An instant: a date alone is its midnight UTC, a time needs its zone."""
    text = value.strip() if isinstance(value, str) else ""
    on = day(text)
    if on is None or len(text) > MAX_LENGTH:
        return None
    if len(text) == 10:
        return datetime.combine(on, time(0), UTC)
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def words(value: Any) -> str:
    """The beginning of a source's message, fit for an error, a log line and a row."""
    if not isinstance(value, str):
        return f"({type(value).__name__})"
    # Redacted before it is cut: half a key is not recognised.
    return redact(cleaned(value))[:MAX_MESSAGE]


def shown(value: Decimal, places: int = 2) -> str:
    """A price for people: rounded half up to ``places`` decimals, or its first digits below that."""
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return amount_text(value) if value and not rounded else str(rounded)


def percent_change(now: Decimal, before: Decimal | None, places: int) -> Decimal | None:
    """Change in percent, rounded once, half up, to ``places`` decimals; None when unknown."""
    if not before:
        return None
    return ((now - before) / before * 100).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def rows(text: str, source: str) -> Iterator[dict[str, str]]:
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""))
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        for row in reader:
            yield dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise BrokenResponse(source, f"sent a table that cannot be read: {words(str(error))}") from None


@dataclass(frozen=True, slots=True)
class Price:
    symbol: str
    price: Decimal
    session_date: date
    volume: int | None
    previous_close: Decimal | None = None

    @property
    def change_percent(self) -> Decimal | None:
        return percent_change(self.price, self.previous_close, 4)
