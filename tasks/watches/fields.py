"""What a rule may ask about: fields of ads, tokens and prices, and their other names (pure)."""

from __future__ import annotations

from math import inf

from rapidfuzz import process

TEXT, NUMBER, REGIONS = "text", "number", "regions"

#: Subject of a rule → its fields → their kind.
FIELDS = {
    "listing": {
        "title": TEXT, "category": TEXT, "listing_type": TEXT, "price": NUMBER, "currency": TEXT,
        "condition": TEXT, "negotiability": TEXT, "shipping_regions": REGIONS,
        "seller_username": TEXT, "seller_reputation": NUMBER, "status": TEXT, "site": TEXT,
        "url": TEXT, "age_hours": NUMBER, "price_drop": NUMBER, "price_drop_percent": NUMBER,
    },
    "token": {
        "symbol": TEXT, "name": TEXT, "chain": TEXT, "price": NUMBER, "market_cap": NUMBER,
        "volume": NUMBER, "liquidity": NUMBER, "price_change": NUMBER, "age_hours": NUMBER,
        "price_drop": NUMBER, "price_drop_percent": NUMBER, "boost_amount": NUMBER,
        "boost_total": NUMBER,
    },
    "quote": {
        "symbol": TEXT, "source": TEXT, "price": NUMBER, "previous_close": NUMBER, "volume": NUMBER,
        "price_change": NUMBER, "price_drop": NUMBER, "price_drop_percent": NUMBER,
    },
}  # fmt: skip
ALIASES = {
    "seller": "seller_username", "type": "listing_type", "shipping": "shipping_regions",
    "ships_to": "shipping_regions", "reputation": "seller_reputation",
}  # fmt: skip
#: Texts of which all values are known.
VALUES = {"status": ("active", "sold", "closed", "traded", "expired", "deleted")}
#: What a number can be: least, most, and whether the least is none itself.
RANGES = {
    "price": (0.0, inf, True), "price_drop": (0.0, inf, True), "price_drop_percent": (0.0, 100.0, True),
    "previous_close": (0.0, inf, True), "market_cap": (0.0, inf, False), "volume": (0.0, inf, False),
    "liquidity": (0.0, inf, False),
}  # fmt: skip
#: Fields of ads that are amounts of some currency.
MONEY = ("price", "price_drop")
#: Fields that may be compared with a share ("10 %").
PERCENTABLE = ("price_drop",)
#: From how alike on a name is suggested (0 to 100).
ALIKE = 60


def canonical(name: str) -> str:
    """The field's own name for any name it goes by."""
    lower = name.lower()
    return ALIASES.get(lower, lower)


def suggestion(name: str, subject: str) -> str | None:
    """The known name most like ``name``, if one is."""
    known = [*FIELDS[subject], *(a for a, own in ALIASES.items() if own in FIELDS[subject])]
    found = process.extractOne(name.lower(), known, score_cutoff=ALIKE)
    return found[0] if found else None
