"""Numbers and texts out of answers that promise nothing (pure)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from workers.text import cleaned

#: Numbers beyond these, or of more digits, are no prices; Postgres would refuse the worst of them.
GREATEST = Decimal(10) ** 30
LEAST_EXPONENT = -40
MOST_DIGITS = 80


def text(value: Any, longest: int) -> str | None:
    """Cleaned text of at most ``longest`` characters; None when nothing is left."""
    if not isinstance(value, str):
        return None
    return cleaned(value)[:longest].rstrip() or None


def number(value: Any, *, signed: bool = False) -> Decimal | None:
    """A finite, sensible number written as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    # Arithmetic would round, or overflow: exponents and digits are looked at as they are written.
    if found.is_zero():
        return Decimal(0)
    if not found.is_finite() or len(found.as_tuple().digits) > MOST_DIGITS:
        return None
    if found.adjusted() < LEAST_EXPONENT or found.copy_abs() > GREATEST:
        return None
    return None if found.is_signed() and not signed else found
