"""Damaged copies of answers, the same ones each time for the same seed."""

from __future__ import annotations

import os
import random

#: `make fuzz` asks for 100,000.
COUNT = int(os.environ.get("WATCHKEEPER_FUZZ", "2000"))
#: Pieces that damage parsers more often than random bytes do.
PIECES = (
    b"null", b"{}", b"[]", b"-0", b"1e999", b"NaN", b'"', b"\\", b",", b"\n", b"\r", b"\x00", b"\xff",
    b"\\ud800", b"9" * 400, b"[" * 300, b"{" * 300, "\u0660".encode(), b"0000-00-00", b"2026-13-45",
)  # fmt: skip


def mutated(body: bytes, chance: random.Random) -> bytes:
    """``body`` with one to eight pieces cut out, doubled, swapped or put in."""
    content = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((0, 1, 1, 2, 8, 64)))
        new = chance.choice((chance.choice(PIECES), chance.randbytes(2), bytes(content[start:end]) * 2))
        content[start:end] = new
    return bytes(content)
