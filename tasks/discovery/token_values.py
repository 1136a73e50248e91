"""Numbers and texts as token sources write them (pure): a value or None, never an exception."""

from decimal import Decimal, InvalidOperation
from typing import Any

from workers.upstreams import cleaned

#: Numbers beyond these are no prices; Postgres would refuse some of them.
MAX_NUMBER = Decimal(10) ** 30
MIN_EXPONENT = -40
MAX_DIGITS = 80


def text(value: Any, limit: int) -> str | None:
    """Cleaned text of at most ``limit`` characters; None when nothing is left."""
    if not isinstance(value, str):
        return None
    return cleaned(value)[:limit].rstrip() or None


def number(value: Any, *, signed: bool = False) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    # Compared without arithmetic, which would round or overflow.
    if found.is_zero():
        return Decimal(0)
    if not found.is_finite() or len(found.as_tuple().digits) > MAX_DIGITS:
        return None
    if found.adjusted() < MIN_EXPONENT or found.copy_abs() > MAX_NUMBER:
        return None
    return None if found.is_signed() and not signed else found
