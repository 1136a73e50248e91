"""Price tasks against the sandbox's imitation of Alpha Vantage: a process with limits of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.upstreams.alpha_vantage import KEY


def test_the_imitation_serves_what_production_reads(
    prices: Any, imitation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.settings import settings

    monkeypatch.setenv("WATCHKEEPER_ALPHA_VANTAGE_API_KEY", KEY)
    settings.cache_clear()
    upstream = imitation("alpha_vantage")
    prices.closed_market()
    prices.sql.execute(
        "update upstream set base_url = %s where name = 'alpha_vantage'", (upstream.url,)
    )
    run = prices.run("tasks.prices.refresh", symbols=["AAPL", "IBM", "NOSUCH"])
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["counts"]["not_found"] == 1
    assert prices.one("select count(*) as n from price_bar where symbol = 'AAPL'")["n"] == 100
    run = prices.run("tasks.prices.history", symbols=["AAPL"], duration_days=200)
    assert run["result"]["counts"]["incomplete"] == 1
