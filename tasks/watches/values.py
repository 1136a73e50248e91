"""Values of a rule as texts and numbers (pure)."""

from __future__ import annotations

from decimal import Decimal

from tasks.watches.nodes import Value


def number_of(value: Value) -> float | None:
    """A value as a number: 1000, "1000", but not "abc"."""
    try:
        found = float(value) if isinstance(value, Decimal) else float(Decimal(value.strip()))
    except (ArithmeticError, ValueError):
        return None
    return found if found == found and abs(found) != float("inf") else None  # noqa: PLR0124 - NaN


def text_of(value: Value) -> str:
    """A value as text."""
    return str(value)
