"""Cases of Alpha Vantage's answers: read by its source, asked for through the client, by a real run."""

from __future__ import annotations

import json
import re
import threading
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tasks.prices import values
from tasks.prices.sources import alpha_vantage
from tasks.prices.sources.source_errors import PremiumOnly
from tasks.prices.values import Price
from tests.support.cases.common import only
from workers.errors import (
    Blocked,
    BrokenResponse,
    ControlFlow,
    NotFound,
    QuotaSpent,
    RateLimited,
    SettingMissing,
    Unavailable,
    UpstreamError,
)
from workers.upstreams import responses
from workers.upstreams.client import UpstreamClient
from workers.upstreams.responses import Response

FIXTURES = Path(__file__).parents[2] / "fixtures"
#: The key that the recorded refusals repeat.
ECHOED = "XXXXXXXXXXXXXXXX"


def body_of(reference: Any) -> Any:
    if not isinstance(reference, str):
        return reference
    name, _, key = reference.partition("#")
    content = json.loads((FIXTURES / name).read_text())
    return content[key] if key else content


def days_before(words: str) -> timedelta:
    """How long ago "today-120d" is."""
    back = re.fullmatch(r"today(?:-(\d+)d)?", words)
    assert back is not None, words
    return timedelta(days=int(back.group(1) or 0))


def alpha(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "value", "start", "end", "http", "body", "timeout")
    if given.get("http") == "timeout":
        given = {"timeout": True}
    if "value" in given:
        return {"value": values.shown(Decimal(given["value"]))}
    if "start" in given:
        today = date(2026, 1, 30)
        assert days_before(given["end"]) >= timedelta(0)
        return {"outputsize": alpha_vantage.output_size(today - days_before(given["start"]), today)}
    if "price" in expected:
        return quoted(body_of(given["body"]), need)
    found = refused(given)
    if expected.keys() & {"retry", "stop_batch", "tries", "attempts"} or "timeout" in given:
        found |= asked(given, need)
    if "action" in expected:
        found["action"] = history_asks(given, need)
    if "stored_error_contains_key" in expected:
        found["stored_error_contains_key"] = keeps_key(given, need)
    return {name: found[name] for name in expected}


def quoted(body: Any, need: Any) -> dict[str, Any]:
    prices = need("prices")
    prices.alpha_vantage.answer = lambda _: body
    price = alpha_vantage.fetch_price(
        UpstreamClient(), body["Global Quote"]["01. symbol"], date(2026, 1, 30)
    )
    assert [call["symbol"] for call in prices.alpha_vantage.asked] == [price.symbol]
    return {
        "symbol": price.symbol,
        "price": f"{price.price:.4f}",
        "trading_day": str(price.session_date),
        "volume": price.volume,
        "previous_close": f"{price.previous_close:.4f}",
        "change_percent": str(price.change_percent),
    }


def refused(given: dict[str, Any]) -> dict[str, Any]:
    """What production makes of an answer: it judges its status, looks for a refusal, reads it."""
    if "timeout" in given:
        return {}
    content = json.dumps(body_of(given.get("body", {}))).encode()
    answer = Response("alpha_vantage", given.get("http", 200), "", {}, content)
    try:
        responses.raise_for_status(answer)
        alpha_vantage.check(answer)
        alpha_vantage.parse_price(answer.json(), "X")
    except (UpstreamError, SettingMissing) as error:
        return described(error)
    raise AssertionError("it was taken for a price")


def described(error: Exception) -> dict[str, Any]:
    """Our error in the words of the cases."""
    kinds = (
        (SettingMissing, "auth"),
        (NotFound, "not_found"),
        (PremiumOnly, "premium"),
        (BrokenResponse, "invalid_data"),
        (RateLimited, "rate_limited"),
        (Blocked, "blocked"),
        (Unavailable, "unavailable"),
    )
    name = next(name for kind, name in kinds if isinstance(error, kind))
    if name == "not_found" and "no such symbol" in str(error):
        name = "bad_request"
    found = {"error": name, "not": None if name == "rate_limited" else "rate_limited"}
    spans = [span for span in ("second", "minute", "hour", "day") if span in str(error)]
    return {**found, "scope": spans[0]} if name == "rate_limited" and spans else found


def answering(given: dict[str, Any], need: Any) -> Any:
    """The scripted upstream answers as the case says, and nobody waits long."""
    prices, patch = need("prices"), need("monkeypatch")
    patch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    reply = given.get("http", 200), json.dumps(body_of(given.get("body", {})))
    over = threading.Event()
    if given.get("timeout"):
        patch.setattr(alpha_vantage, "TIMEOUT", 0.2)

    def answer(_: Any) -> Any:
        over.wait(0.5 if given.get("timeout") else 0)
        return reply

    prices.alpha_vantage.answer = answer
    return prices


def asked(given: dict[str, Any], need: Any) -> dict[str, Any]:
    """One price asked for through the client: how many calls that made, and whether the batch ends."""
    prices = answering(given, need)
    outcome: Price | Exception
    try:
        outcome = alpha_vantage.fetch_price(UpstreamClient(), "X", date(2026, 1, 30))
    except (UpstreamError, SettingMissing, ControlFlow) as error:
        outcome = error
    calls = len(prices.alpha_vantage.asked)
    found = {"retry": calls > 1, "tries": calls, "attempts": calls}
    found["stop_batch"] = isinstance(outcome, QuotaSpent | SettingMissing | Blocked)
    return {**described(outcome), **found} if isinstance(outcome, Unavailable) else found


def history_asks(given: dict[str, Any], need: Any) -> str:
    """What a long history does after the refusal, by the calls that it makes."""
    prices = answering(given, need)
    prices.closed_market()
    prices.run("tasks.prices.history", symbols=["X"], duration_days=200)
    sizes = [call["outputsize"] for call in prices.alpha_vantage.asked]
    return "retry once with compact" if sizes == ["full", "compact"] else f"asks {sizes}"


def keeps_key(given: dict[str, Any], need: Any) -> bool:
    """Whether any row of a run that met the refusal holds the key that it repeats."""
    prices = answering(given, need)
    prices.closed_market()
    run = prices.run("tasks.prices.refresh", symbols=["X"])
    assert prices.alpha_vantage.asked
    assert run["state"] != "succeeded"
    tables = ("run", "batch", "permit", "upstream_state", "price_outcome")
    rows = [row for table in tables for row in prices.all(f"select t::text as row from {table} t")]
    return any(ECHOED in row["row"] for row in rows)
