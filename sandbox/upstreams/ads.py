"""A made-up world of classified ads that moves: they come, get cheaper, are edited, sold, and vanish.

Ad ``n`` of a category may be listed at ``n * BIRTH`` seconds since 1970; all about it is a function of
category, ``n`` and the time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.upstreams.chance import chance, pick

#: A new ad may appear in each category so often (seconds); about half of them do.
BIRTH = 15.0
#: An ad is gone after so long, some already after a third of it (seconds).
LIFE = 40 * 60.0
EDITED, CHEAPER, ENDED, GONE = 300.0, 600.0, 900.0, LIFE / 3
CATEGORIES = {
    1: "headphones-for-sale-trade", 2: "full-size", 3: "in-ear-monitors",
    4: "amplification-for-sale-trade", 5: "desktop", 6: "portable",
    7: "source-components-for-sale-trade", 8: "dacs", 9: "dac-amps", 10: "daps", 11: "cd-players",
    12: "cables-speakers-accessories-for-sale-trade", 13: "media-for-sale-trade",
}  # fmt: skip
CHILDREN = {1: (2, 3), 4: (5, 6), 7: (8, 9, 10, 11)}
LEAVES = tuple(number for number in CATEGORIES if number not in CHILDREN)
MODELS = (
    "HD800S", "Utopia", "U12t", "Arya Stealth", "LCD-X", "Hugo 2", "Mojo", "Bathys", "HD600", "SR-009",
    "Clear", "Moses (mint)", "<b>& cables", "d'Été",
)  # fmt: skip
MAKERS = ("Sennheiser", "Focal", "64 Audio", "HiFiMAN", "Audeze", "Chord", "Stax", "Hercules Audio")
TYPES = ("For Sale", "For Sale", "For Sale", "For Sale/Trade", "Want To Buy", "Trade Only")
CONDITIONS = ("New", "Excellent/Like new", "Excellent", "Good", "Fair", "Poor", "For parts")
NEGOTIABILITY = ("Firm", "Or best offer", "Negotiable")
REGIONS = ("CONUS", "CONUS, Canada", "Anywhere", "Europe", "UK, Europe", "Asia", "Australia", "US")
CURRENCIES = ("USD",) * 7 + ("EUR", "GBP", "JPY")
SELLERS = ("AudioPhile99", "audio-fan", "John Doe", "x.y_z", "bob", "ann", "tako", "Ünal")


@dataclass(frozen=True, slots=True)
class Ad:
    external_id: int
    title: str
    kind: str
    price: str
    condition: str | None
    negotiability: str
    ships_to: str
    seller: str
    listed: datetime
    edited: datetime | None
    overlay: str | None

    @property
    def slug(self) -> str:
        letters = (c if c.isascii() and c.isalnum() else "-" for c in self.title.lower())
        return "".join(letters).strip("-")


def leaves(category: int) -> tuple[int, ...]:
    return CHILDREN.get(category, (category,))


def up(category: int, now: float) -> list[int]:
    """Numbers of the ads of a leaf that are up, newest first."""
    newest, oldest = int(now // BIRTH), int((now - LIFE) // BIRTH)
    return [n for n in range(newest, oldest, -1) if exists(category, n, now)]


def exists(category: int, number: int, now: float) -> bool:
    """Whether that ad is up: some never come, some vanish early."""
    age = now - number * BIRTH
    early = chance("vanish", category, number) < 0.1
    return 0 <= age < (GONE if early else LIFE) and chance("up", category, number) < 0.5


def id_of(category: int, number: int) -> int:
    return 100_000 + number * 20 + category


def of_id(external_id: int) -> tuple[int, int]:
    number, category = divmod(external_id - 100_000, 20)
    return category, number


def _price(category: int, number: int, age: float, kind: str) -> str:
    if kind == "Trade Only" or chance("no price", category, number) < 0.03:
        return ""
    amount = round(50 + 3000 * chance("price", category, number) ** 2)
    if age > CHEAPER and chance("cheaper", category, number) < 0.3:
        amount = round(amount * 0.85)
    currency = pick(CURRENCIES, "currency", category, number)
    if currency == "JPY":
        return f"{amount * 150:,} JPY"
    return f"{amount:,}.50 {currency}" if number % 5 == 0 else f"{amount:,} {currency}"


def ad(category: int, number: int, now: float) -> Ad:
    key, born = (category, number), number * BIRTH
    age = now - born
    kind = pick(TYPES, "type", *key)
    name = f"{pick(MAKERS, 'maker', *key)} {pick(MODELS, 'model', *key)} #{number % 997}"
    over = age > ENDED and chance("over", *key) < 0.25
    by_title = over and chance("by title", *key) < 0.2
    seller = f"{pick(SELLERS, 'seller', *key)}{number % 7 or ''}"
    reputation = f" ({int(140 * chance('reputation', *key)) - 2})" if number % 9 else ""
    edited = age > EDITED and chance("edited", *key) < 0.4
    return Ad(
        external_id=id_of(*key),
        title=("WTB: " if kind == "Want To Buy" else "[SOLD] " if by_title else "") + name,
        kind=kind,
        price=_price(category, number, age, kind),
        condition=None if kind == "Want To Buy" else pick(CONDITIONS, "condition", *key),
        negotiability=pick(NEGOTIABILITY, "negotiability", *key),
        ships_to=pick(REGIONS, "region", *key),
        seller=seller + reputation,
        listed=datetime.fromtimestamp(born, UTC),
        edited=datetime.fromtimestamp(born + EDITED, UTC) if edited else None,
        overlay=pick(("Sold", "Closed", "Traded"), "end", *key) if over and not by_title else None,
    )
