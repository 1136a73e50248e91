"""A made-up world of tokens that moves: the same at the same time for the same seed."""

from __future__ import annotations

import hashlib
import math
import time
from typing import Any

CHAINS = ("solana", "base", "ethereum")
#: A new token appears so often (seconds).
BIRTH = 7.0
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def chance(*parts: Any) -> float:
    """A number in [0, 1) from a hash of ``parts``."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def newest(now: float) -> int:
    """Number of the newest token at ``now`` (epoch seconds)."""
    return int(now // BIRTH)


def chain_of(number: int) -> str:
    """Most are on Solana."""
    return CHAINS[0] if chance("chain", number) < 0.7 else CHAINS[1 + number % 2]


def address_of(number: int) -> str:
    """base58-like on Solana, mixed-case hexadecimal elsewhere."""
    digest = hashlib.sha256(f"token {number}".encode()).digest()
    if chain_of(number) == "solana":
        return "".join(ALPHABET[byte % 58] for byte in digest + digest[:12])
    text = digest.hex()[:40]
    return "0x" + "".join(c.upper() if chance(number, i) < 0.5 else c for i, c in enumerate(text))


def price_of(number: int, now: float) -> float:
    """A price that wanders."""
    base = 10 ** (chance("price", number) * 6 - 6)
    wave = math.sin(now / 600 + number) + 0.3 * math.sin(now / 47 + 3 * number)
    return base * math.exp(0.6 * wave)


def pair(number: int, pool: int, now: float) -> dict[str, Any]:
    """One pool of a token, with the traps that real answers have."""
    chain, address, price = chain_of(number), address_of(number), price_of(number, now)
    born = number * BIRTH * 1000
    row: dict[str, Any] = {
        "chainId": chain,
        "dexId": "raydium" if chain == "solana" else "uniswap",
        "url": f"https://dexscreener.example/{chain}/{number}-{pool}",
        "pairAddress": hashlib.sha256(f"pool {number} {pool}".encode()).hexdigest()[:44],
        "baseToken": {"address": address, "name": f"Token {number}", "symbol": f"TK{number % 10000}"},
        "quoteToken": {"address": "So11111111111111111111111111111111111111112", "symbol": "SOL"},
        "priceNative": f"{price / 150:.12f}",
        "priceUsd": f"{price * (1 + 0.01 * pool):.12f}",
        "txns": {"h24": {"buys": int(500 * chance("b", number)), "sells": 90}},
        "volume": {"h24": round(2_000_000 * chance("volume", number) ** 2, 2)},
        "priceChange": {"h24": round(400 * chance("change", number) - 50, 2)},
        "liquidity": {
            "usd": round(300_000 * chance("liquidity", number, pool), 2),
            "base": 1,
            "quote": 1,
        },
        "marketCap": round(price * 1e9, 2),
        "pairCreatedAt": int(born),
    }
    trap = chance("trap", number, pool)
    if trap < 0.03:
        row["liquidity"] = None
    elif trap < 0.05:
        row["priceUsd"] = None
    elif trap < 0.07:
        row.pop("priceChange")
    elif trap < 0.08:
        row["baseToken"]["name"] = "N" * 34_000
    elif trap < 0.10:
        row["priceUsd"] = f"{price * 4892:.8f}"
    elif trap < 0.12:
        row["baseToken"], row["quoteToken"] = row["quoteToken"], row["baseToken"]
    return row


def pools_of(number: int) -> int:
    """How many pools a token has: mostly one."""
    return 1 + int(3 * chance("pools", number) ** 3)


_by_address: dict[str, int] = {}


def number_of(address: str) -> int | None:
    """The token with that address, among the last few thousand."""
    last = newest(time.time())
    for number in range(max(0, last - 3000), last + 1):
        key = address_of(number).lower()
        if key in _by_address:
            continue
        _by_address[key] = number
    return _by_address.get(address.lower())
