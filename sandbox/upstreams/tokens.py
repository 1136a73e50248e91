"""A made-up world of tokens that moves: the same at the same time for the same seed.

Token ``n`` is born at ``n * BIRTH`` seconds since 1970; its pools, prices and trades are functions of
``n`` and the time, so that the imitations of DexScreener and GeckoTerminal tell one story.
"""

import hashlib
import math
from typing import Any

from sandbox.upstreams.chance import chance, pick

#: Most tokens are on the first.
CHAINS = ("solana", "base", "ethereum", "bsc", "robinhood", "stable")
#: Where DexScreener's name of a chain is another than GeckoTerminal's.
NETWORKS = {"ethereum": "eth", "polygon": "polygon_pos", "avalanche": "avax"}
#: A new token appears so often (seconds).
BIRTH = 7.0
#: So many of the newest tokens are known; older ones are forgotten, as by a feed.
KNOWN = 3000
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
QUOTES = {
    "solana": ("So11111111111111111111111111111111111111112", "Wrapped SOL", "SOL", 150.0),
    "": ("0x4200000000000000000000000000000000000006", "Wrapped Ether", "WETH", 3000.0),
}


def newest(now: float) -> int:
    """Number of the newest token at ``now`` (epoch seconds)."""
    return int(now // BIRTH)


def chain_of(number: int) -> str:
    """Most are on Solana; feeds mix chains."""
    if chance("chain", number) < 0.7:
        return CHAINS[0]
    return pick(CHAINS[1:], "other chain", number)


def address_of(number: int) -> str:
    """base58-like on Solana, mixed-case hexadecimal elsewhere."""
    digest = hashlib.sha256(f"token {number} {chance('address', number)}".encode()).digest()
    if chain_of(number) == "solana":
        return "".join(ALPHABET[byte % 58] for byte in digest + digest[:12])
    bits = int.from_bytes(digest[20:])
    letters = digest.hex()[:40]
    return "0x" + "".join(c.upper() if bits >> i & 1 else c for i, c in enumerate(letters))


def pool_address(number: int, pool: int) -> str:
    return hashlib.sha256(f"pool {pool} of {address_of(number)}".encode()).hexdigest()[:44]


def quote_of(number: int) -> tuple[str, str, str, float]:
    """Address, name, symbol and USD price of what a token is traded against."""
    return QUOTES.get(chain_of(number), QUOTES[""])


def price_of(number: int, now: float) -> float:
    base: float = 10 ** (chance("price", number) * 6 - 6)
    wave = math.sin(now / 600 + number) + 0.3 * math.sin(now / 47 + 3 * number)
    return base * math.exp(0.6 * wave)


def pools_of(number: int) -> int:
    """How many pools a token has: mostly one, some four, so that thirty tokens overflow an answer."""
    return 1 + int(4 * chance("pools", number) ** 2)


def pool_price(number: int, pool: int, now: float) -> float:
    """USD price in one pool: a little off the token's; some pools are 13.8 or 4892 times off."""
    price = price_of(number, now) * (1 + 0.01 * pool)
    odd = chance("odd pool", number, pool) if pool else 1.0
    return price * (4892 if odd < 0.02 else 13.8 if odd < 0.06 else 1)


def _over(hours: float, number: int, what: str, most: float) -> float:
    """Something that adds up over time: the longer, the more."""
    return most * chance(what, number) ** 2 * hours / 24


#: Spans of an answer, in hours.
SPANS = {"m5": 1 / 12, "h1": 1.0, "h6": 6.0, "h24": 24.0}


def pair(number: int, pool: int, now: float) -> dict[str, Any]:
    """One pool of a token, with the traps that real answers have."""
    chain, price = chain_of(number), pool_price(number, pool, now)
    quote, quote_name, quote_symbol, quote_price = quote_of(number)
    odd = price > 5 * price_of(number, now)
    liquidity = 0.31 if odd else round(300_000 * chance("liquidity", number, pool), 2)
    row: dict[str, Any] = {
        "chainId": chain,
        "dexId": "raydium" if chain == "solana" else "uniswap",
        "url": f"https://dexscreener.example/{chain}/{pool_address(number, pool)}",
        "pairAddress": pool_address(number, pool),
        "baseToken": {
            "address": address_of(number),
            "name": f"Token {number}",
            "symbol": f"TK{number % 10000}",
        },
        "quoteToken": {"address": quote, "name": quote_name, "symbol": quote_symbol},
        "priceNative": f"{price / quote_price:.12f}",
        "priceUsd": f"{price:.12f}",
        **_activity(number),
        "liquidity": {
            "usd": liquidity,
            "base": round(liquidity / 2 / price, 4),
            "quote": round(liquidity / 2 / quote_price, 6),
        },
        "fdv": round(price_of(number, now) * 1e9, 2),
        "marketCap": round(price_of(number, now) * 1e9, 2),
        "pairCreatedAt": int(number * BIRTH * 1000),
        "info": {
            "imageUrl": "https://cdn.example/i.png",
            "websites": [{"url": "https://t.example"}],
            "socials": [{"type": "twitter", "url": "https://x.example"}, {"url": "https://s.example"}],
        },
    }
    return _trapped(row, chance("trap", number, pool), quote_price)


def _activity(number: int) -> dict[str, Any]:
    return {
        "txns": {
            span: {
                "buys": int(_over(hours, number, "buys", 900)),
                "sells": int(_over(hours, number, "sells", 700)),
            }
            for span, hours in SPANS.items()
        },
        "volume": {
            span: round(_over(hours, number, "volume", 2_000_000), 2) for span, hours in SPANS.items()
        },
        "priceChange": {
            span: round((400 * chance("change", number) - 50) * hours / 24, 2)
            for span, hours in SPANS.items()
        },
    }


def _trapped(row: dict[str, Any], trap: float, quote_price: float) -> dict[str, Any]:
    """What real answers do now and then: nulls, missing keys, endless names, the token as the quote."""
    if trap < 0.03:
        row["liquidity"] = None
    elif trap < 0.05:
        row["priceUsd"] = None
    elif trap < 0.07:
        del row["priceChange"], row["info"]
    elif trap < 0.08:
        row["baseToken"]["name"] = "N" * 34_000
        row["baseToken"]["symbol"] = "S" * 9_000
    elif trap < 0.10:
        row["marketCap"] = row["pairCreatedAt"] = None
    elif trap < 0.12:
        row["baseToken"], row["quoteToken"] = row["quoteToken"], row["baseToken"]
        row["priceUsd"] = f"{quote_price:.2f}"
    elif trap < 0.14:
        del row["volume"]["h1"], row["priceChange"]["m5"]
    return row


class Directory:
    """Tokens by address, and pools by theirs; grows as tokens are born."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._pools: dict[str, tuple[int, int]] = {}
        self._next = 0

    def _grow(self, now: float) -> None:
        last = newest(now)
        for number in range(max(self._next, last - KNOWN), last + 1):
            self._tokens[address_of(number).lower()] = number
            for pool in range(pools_of(number)):
                self._pools[pool_address(number, pool)] = number, pool
        self._next = max(self._next, last + 1)

    def token(self, address: str, now: float) -> int | None:
        """The token with that address, born by ``now``, or None."""
        self._grow(now)
        return self._tokens.get(address.lower())

    def pool(self, address: str, now: float) -> tuple[int, int] | None:
        """The token and the pool with that address, or None."""
        self._grow(now)
        return self._pools.get(address)
