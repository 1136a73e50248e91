"""Prices and amounts for people (pure)."""

from decimal import Decimal

UNKNOWN = "N/A"


#: Digits that a price below one shows at least: 0.000031284, 0.4217, but 0.50.
DIGITS = 4


def price_text(price: Decimal | float | None, currency: str | None) -> str:
    """A price for people: "950 USD", "1299.50 USD", "0.00003128 USD", "N/A"; see ``amount_text``."""
    if price is None:
        return UNKNOWN
    text = amount_text(Decimal(str(price)))
    return f"{text} {currency}" if currency else text


def amount_text(amount: Decimal) -> str:
    """A number for people: two decimals, or none; below one as many as its first digits need."""
    if amount == amount.to_integral_value():
        return f"{amount:.0f}"
    if abs(amount) >= 1:
        return f"{amount:.2f}"
    whole, _, decimals = f"{amount:.{DIGITS - 1 - amount.adjusted()}f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
