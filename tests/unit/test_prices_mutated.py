"""Damaged answers of price sources: each ends as data or as a typed error, never as our traceback."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tasks.prices.sources import alpha_vantage, replay, stooq
from tests.support.mutations import COUNT, mutated
from workers.errors import SettingMissing, UpstreamError
from workers.upstreams import responses
from workers.upstreams.responses import Response

FIXTURES = Path(__file__).parents[1] / "fixtures"
TABLE = (FIXTURES / "prices" / "daily_bars.csv").read_bytes()
SERIES = {
    "Meta Data": {"2. Symbol": "IBM"},
    "Time Series (Daily)": {
        f"2026-01-{day:02}": {"1. open": "1.5", "2. high": "2", "4. close": "1.75", "5. volume": "9"}
        for day in range(1, 30)
    },
}
QUOTE = json.loads((FIXTURES / "alpha_vantage" / "romeltorres_global_quote.json").read_text())
ERRORS = json.loads((FIXTURES / "alpha_vantage" / "errors.json").read_text())
ALPHA_VANTAGE = [json.dumps(body).encode() for body in (SERIES, QUOTE, *ERRORS.values())]
STOOQ = [
    b"Date,Open,High,Low,Close,Volume\r\n2026-01-30,1,2,0.5,1.75,1000\r\n2026-01-29,1,2,1,1.5,\r\n",
    b"No data",
    b"Exceeded the daily hits limit",
    b"Date,Open,High,Low,Close,Volume\r\n",
]


def read_alpha_vantage(answer: Response) -> None:
    alpha_vantage.check(answer)
    for parse in (alpha_vantage.parse_bars, alpha_vantage.parse_price):
        with suppress(UpstreamError):
            parse(answer.json(), "IBM")


def read_stooq(answer: Response) -> None:
    stooq.check(answer)
    stooq.parse(answer.text, "IBM")


def read_recorded(answer: Response) -> None:
    replay.parse(answer.text)


@pytest.mark.parametrize(
    ("read", "bodies"),
    [(read_alpha_vantage, ALPHA_VANTAGE), (read_stooq, STOOQ), (read_recorded, [TABLE[:600]])],
    ids=["alpha_vantage", "stooq", "replay"],
)
def test_a_mutated_answer_of_a_source_ends_as_data_or_as_a_typed_error(
    read: Callable[[Response], None], bodies: list[bytes]
) -> None:
    chance = random.Random(20260130)
    for number in range(COUNT):
        content = mutated(chance.choice(bodies), chance)
        status = chance.choice((200, 200, 200, 404, 429, 500, 503))
        answer = Response("some", status, "", {}, content)
        try:
            responses.raise_for_status(answer)
            read(answer)
        except (UpstreamError, SettingMissing) as error:
            str(error).encode()
        except Exception:
            print(f"number {number}: {content!r}")
            raise
