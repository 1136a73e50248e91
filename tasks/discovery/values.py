"""Numbers and texts out of answers that promise nothing (pure)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

#: A number beyond this is no price (NUMERIC would take it, sense would not).
GREATEST = Decimal(10) ** 30


def text(value: Any, longest: int) -> str | None:
    """Trimmed text without NUL (Postgres stores none), at most ``longest`` characters."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "ignore").decode().replace("\x00", "").strip()[:longest] or None


def number(value: Any, *, signed: bool = False) -> Decimal | None:
    """A finite, sensible number written as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    if not found.is_finite() or abs(found) > GREATEST or (found < 0 and not signed):
        return None
    return found
