"""How matches are put into words (pure)."""

from __future__ import annotations

from decimal import Decimal

UNKNOWN = "N/A"


def price_text(price: Decimal | float | None, currency: str | None) -> str:
    """A price for people: "950 USD", "1299.50 USD", "N/A"; whole amounts have no decimals."""
    if price is None:
        return UNKNOWN
    amount = Decimal(str(price))
    text = f"{amount:.0f}" if amount == amount.to_integral_value() else f"{amount:.2f}"
    return f"{text} {currency}" if currency else text
