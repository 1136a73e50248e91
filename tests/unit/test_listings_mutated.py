"""Damaged list pages: each ends as cards that fit their columns, never as our traceback."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tasks.listings import cards, head_fi, selectors, store
from workers.upstreams.responses import Response, is_challenge

#: `make fuzz` asks for 100,000.
COUNT = int(os.environ.get("WATCHKEEPER_FUZZ", "2000"))
FIXTURES = Path(__file__).parents[1] / "fixtures" / "headfi"
PAGES = [path.read_bytes() for path in sorted(FIXTURES.glob("*.html"))]
SELECTORS = selectors.parse(head_fi.SELECTORS)
PIECES = (
    b"<", b">", b'"', b"</a>", b"<a class=hfcUserListing href=/x.1/>", b"&#xD800;", b"&#0;", b"\x00", b"\xff",
    b"<!--", b"<script>", b"<svg>", b"<table>", b"9" * 400, b"<div>" * 300, b"datetime=", b"(-9999999999999)",
    b"<s>", b"</s>", b"<del>1", b"<sup>99</sup>", b"</del>", b"1e999", "\u0660".encode(), b"href='http://[x.7/'", b"<template>", b"99999999999999.99 USD", b"<base href=x:>",
)  # fmt: skip


def mutated(body: bytes, chance: random.Random) -> bytes:
    """``body`` with one to eight pieces cut out, doubled or put in."""
    content = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.randrange(200))
        content[start:end] = chance.choice((b"", bytes(content[start:end]) * 2, chance.choice(PIECES)))
    return bytes(content)


def test_mutated_list_pages_end_as_cards_that_fit_their_columns() -> None:
    chance = random.Random(3)
    read = 0
    for _ in range(COUNT):
        answer = Response(
            "head_fi", 200, "https://a.example/b/", {}, mutated(chance.choice(PAGES), chance)
        )
        is_challenge(answer)
        page = cards.parse(answer.text, answer.url, SELECTORS, head_fi.ID_PATTERN)
        for card in page.cards:
            read += 1
            row = store.merged(None, card, "USD")
            assert "\x00" not in repr(row)
            repr(row).encode()
            assert len(card.title) <= cards.MAX_TITLE
            assert abs(card.seller_reputation or 0) < 2**31
            assert card.url.startswith("http")
    assert read > COUNT
