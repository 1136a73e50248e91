"""Secrets stay out of every sentence."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from workers import redaction
from workers.errors import BrokenResponse, Unavailable
from workers.logs import _redact_values
from workers.redaction import MASK, brief, redact, remember
from workers.upstreams.responses import Response

ALPHABET = st.characters(codec="ascii", categories=("Lu", "N", "P", "S"))


@pytest.fixture(autouse=True, scope="module")
def _nothing_known() -> Iterator[None]:
    """What these tests call secret is none in others."""
    before = redaction._known
    yield
    redaction._known = before


@given(st.text(ALPHABET, min_size=6, max_size=40))
def test_a_known_secret_is_masked_wherever_it_stands(secret: str) -> None:
    redaction._known = ()
    remember([secret])

    for seen in (secret, quote(secret, safe=""), quote_plus(secret)):
        assert redact(f"before {seen} after") == f"before {MASK} after"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET https://a.example/query?function=X&apikey=ABC123&symbol=IBM", "ABC123"),
        ("https://a.example/?api_key=ABC123", "ABC123"),
        ('{"access_token": "ABC123"}', "ABC123"),
        ("Authorization: Bearer ABC123", "ABC123"),
        ("Authorization: Basic QUJDMTIz", "QUJDMTIz"),
        ("postgresql://watcher:ABC123@db.example/x", "ABC123"),
        ("redis://:ABC123@cache.example/0", "ABC123"),
        ("We have detected your API key as ABC123 and our rate limit is 25", "ABC123"),
    ],
)
def test_what_looks_like_a_secret_is_masked_unknown(text: str, secret: str) -> None:
    masked = redact(text)

    assert secret not in masked
    assert MASK in masked


def test_a_long_secret_is_masked_whole_although_a_short_one_begins_it() -> None:
    remember(["prefixed", "prefixed-and-more"])

    assert redact("x prefixed-and-more y") == f"x {MASK} y"


def test_words_that_are_no_secrets_are_left_alone() -> None:
    sentence = "alpha_vantage: answered 503, 5 calls per 00:01:00; symbol IBM, page 3"

    assert redact(sentence) == sentence


def test_an_error_never_holds_a_key_that_its_upstream_echoes() -> None:
    remember(["KEY-OF-OURS-1"])

    assert "KEY-OF-OURS-1" not in str(Unavailable("any", "your key KEY-OF-OURS-1 is unknown"))


def test_half_a_key_at_the_edge_of_an_excerpt_is_masked_too() -> None:
    remember(["KEY-OF-OURS-2"])
    answer = Response("any", 200, "https://a.example/", {}, b"x" * 74 + b"KEY-OF-OURS-2 is wrong")

    with pytest.raises(BrokenResponse) as caught:
        answer.json()

    assert "KEY-" not in str(caught.value)


def test_a_secret_deep_in_a_log_line_is_masked() -> None:
    remember(["QX93KD72LM40ZT18"])
    line = {"data": {"args": ["a", ("key QX93KD72LM40ZT18",)], "n": 1}, "event": "QX93KD72LM40ZT18"}
    masked = _redact_values(None, "info", line)
    assert masked == {"data": {"args": ["a", [f"key {MASK}"]], "n": 1}, "event": MASK}


def test_a_log_line_says_what_an_error_says_and_no_secret() -> None:
    refused = psycopg.OperationalError(
        "FATAL: password of postgresql://u:hunter22@h/d is wrong\nand more"
    )
    said = brief(OperationalError(None, None, refused))

    assert said == f"OperationalError: FATAL: password of postgresql://u:{MASK}@h/d is wrong"
    assert brief(TimeoutError()) == "TimeoutError"
