"""Price tasks run in this process, on a real database, against a scripted upstream on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.support.scripted_server import ScriptedServer

KEY = "TESTKEY123456789"

Reply = tuple[int, str] | str | dict[str, Any]


class ScriptedUpstream(ScriptedServer):
    """Answers every GET with what ``answer(parameters)`` returns; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[dict[str, str]], Reply] = lambda _: (404, "")
        super().__init__()

    def reply(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], Any]:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append(asked)
        reply = self.answer(asked)
        status, body = reply if isinstance(reply, tuple) else (200, reply)
        return status, {}, body


class Prices:
    """One database, two scripted sources, and runs by hand."""

    def __init__(self, database: Any, alpha_vantage: ScriptedUpstream, stooq: ScriptedUpstream) -> None:
        self.sql: psycopg.Connection[dict[str, Any]] = database.connect()
        self.alpha_vantage, self.stooq = alpha_vantage, stooq
        for name, upstream in (("alpha_vantage", alpha_vantage), ("stooq", stooq)):
            self.sql.execute(
                "update upstream set base_url = %s, spacing = '0' where name = %s", (upstream.url, name)
            )
        self.sql.execute("delete from quota")
        self.sql.execute("delete from watchlist_item")

    def run(self, task: str, **options: Any) -> dict[str, Any]:
        """A run by hand, all its batches one after the other; the row of `run`."""
        from workers.app import app

        app.loader.import_default_modules()
        run_id = uuid.uuid4()
        app.tasks[task].apply(kwargs=options, task_id=str(run_id))
        return self.go_on(run_id)

    def go_on(self, run_id: uuid.UUID) -> dict[str, Any]:
        """Work the batches of the run that could be sent now."""
        from workers.app import app

        ready = (
            "select task, seq from batch where run_id = %s and state in ('waiting', 'sent')"
            " and waiting_for is null and coalesce(not_before, '-infinity') <= clock_timestamp()"
            " order by seq"
        )
        while batch := self.sql.execute(ready, (run_id,)).fetchone():
            task = app.tasks[batch["task"]]
            task.apply(args=(str(run_id), batch["seq"]), task_id=str(uuid.uuid4()))
        return self.one("select * from run where id = %s", run_id)

    def one(self, query: str, *values: Any) -> dict[str, Any]:
        row = self.sql.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.sql.execute(query, values).fetchall()

    def outcomes(self, run: dict[str, Any]) -> dict[str, str]:
        rows = self.all(
            "select symbol, outcome from recent_price_outcomes where run_id = %s", run["id"]
        )
        return {row["symbol"]: row["outcome"] for row in rows}

    def open_market(self, *, mic: str = "XNYS") -> None:
        """Yesterday's session is over, today's is on."""
        self._sessions(mic, "- interval '2 hours'", "+ interval '2 hours'")

    def closed_market(self, *, mic: str = "XNYS") -> None:
        """Today's session is over."""
        self._sessions(mic, "- interval '8 hours'", "- interval '1 hour'")

    def _sessions(self, mic: str, opens: str, closes: str) -> None:
        self.sql.execute("delete from market_session where mic = %s", (mic,))
        self.sql.execute(
            "insert into market_session (mic, session_date, open_at, close_at)"
            " select %s, current_date - n, clock_timestamp() - n * interval '1 day' "
            + opens
            + ", clock_timestamp() - n * interval '1 day' "
            + closes
            + " from generate_series(-7, 400) n",
            (mic,),
        )


@pytest.fixture
def prices(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prices]:
    monkeypatch.setenv("WATCHKEEPER_ALPHA_VANTAGE_API_KEY", KEY)
    from tasks.prices.sources import alpha_vantage
    from workers.settings import settings

    settings.cache_clear()
    alpha_vantage.free_keys.clear()
    # The vendor's day ends in hours: one that ends within the hour is waited for.
    noon = timezone(timedelta(hours=12 - datetime.now(UTC).hour))
    monkeypatch.setattr(alpha_vantage, "DAY_ENDS_IN", noon)
    upstreams = ScriptedUpstream(), ScriptedUpstream()
    driven = Prices(database, *upstreams)
    yield driven
    driven.sql.close()
    for upstream in upstreams:
        upstream.close()
    settings.cache_clear()


def daily(bars: dict[str, float]) -> dict[str, Any]:
    """A TIME_SERIES_DAILY answer with these closes by day."""
    names = ("1. open", "2. high", "3. low", "4. close")
    return {
        "Meta Data": {},
        "Time Series (Daily)": {
            day: {**dict.fromkeys(names, f"{close:.4f}"), "5. volume": "1000"}
            for day, close in bars.items()
        },
    }


@pytest.fixture
def daily_answer() -> Callable[[dict[str, float]], dict[str, Any]]:
    return daily
