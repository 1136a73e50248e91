"""Discovery run in this process, on a real database, against a scripted DexScreener on loopback."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest

from tasks.discovery.sources.dexscreener import FEEDS
from tests.support.scripted_server import Reply, ScriptedServer

#: An answer that does not come.
NEVER: Reply = (500, {}, "never")


class ScriptedDexScreener(ScriptedServer):
    """Feeds and pairs as a test sets them; keeps the paths asked for."""

    def __init__(self) -> None:
        self.feeds: dict[str, Any] = {name: [] for name in FEEDS}
        #: Pairs by the address asked for; an address that is missing has none.
        self.pairs: dict[str, list[dict[str, Any]]] = {}
        self.orders: dict[str, Any] = {}
        #: Answers to give before any other, for paths that begin so.
        self.instead: dict[str, Reply] = {}
        #: The same, once each.
        self.once: dict[str, Reply] = {}
        self.paths: list[str] = []
        self.over = threading.Event()
        super().__init__()

    def reply(self, path: str, headers: Mapping[str, str]) -> Reply:
        self.paths.append(path)
        for start in self.once:
            if path.startswith(start):
                return self.answer(self.once.pop(start))
        for start, answer in self.instead.items():
            if path.startswith(start):
                return self.answer(answer)
        for name, feed in FEEDS.items():
            if path == feed:
                return 200, {}, self.feeds[name]
        *_, kind, _, _, last = path.split("/")
        if kind == "orders":
            return 200, {}, self.orders.get(last, {"orders": [], "boosts": []})
        rows = [row for address in last.split(",") for row in self.pairs.get(unquote(address), [])]
        return 200, {}, rows if kind == "token-pairs" else rows[:30]

    def answer(self, answer: Reply) -> Reply:
        """The answer; NEVER is given when the test is over and nobody reads it any more."""
        if answer == NEVER:
            self.over.wait(60)
        return answer

    def close(self) -> None:
        self.over.set()
        super().close()

    def asked(self, start: str) -> list[str]:
        return [path for path in self.paths if path.startswith(start)]


class ScriptedGecko(ScriptedServer):
    """Trades of pools as a test sets them, the newest first; None: not listed, a text: sent as it is."""

    def __init__(self) -> None:
        self.trades: dict[str, list[dict[str, Any]] | str | None] = {}
        self.paths: list[str] = []
        super().__init__()

    def reply(self, path: str, headers: Mapping[str, str]) -> Reply:
        self.paths.append(path)
        rows = self.trades.get(path.split("/")[-2], [])
        if rows is None:
            return 404, {}, {"errors": [{"status": "404", "title": "Not Found"}]}
        if isinstance(rows, str):
            return 200, {}, rows
        newest = sorted(rows, key=lambda row: str(row["block_timestamp"]), reverse=True)
        return 200, {}, {"data": [{"attributes": row} for row in newest]}


def trade(
    token: str, wallet: str, at: datetime, amount: float, usd: float, *, sell: bool = False
) -> dict[str, Any]:
    """A row of a pool's trades."""
    side = "from" if sell else "to"
    return {
        "kind": "sell" if sell else "buy",
        "block_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "tx_from_address": wallet,
        f"{side}_token_address": token,
        f"{side}_token_amount": f"{amount}",
        "volume_in_usd": f"{usd}",
    }


def boost(address: str, chain: str = "solana", **more: Any) -> dict[str, Any]:
    """A row of a feed."""
    return {"chainId": chain, "tokenAddress": address, "totalAmount": 10, **more}


def pair(
    address: str, chain: str = "solana", *, age_hours: float | None = 1, **more: Any
) -> dict[str, Any]:
    """A pair that passes every default filter; ``more`` changes it."""
    row: dict[str, Any] = {
        "chainId": chain, "dexId": "raydium", "pairAddress": f"pool-{address}-{len(more)}",
        "baseToken": {"address": address, "name": f"Name {address}", "symbol": f"S{address}"[:20]},
        "quoteToken": {"address": "So111", "name": "SOL", "symbol": "SOL"},
        "priceUsd": "1.50", "marketCap": 1_000_000, "volume": {"h24": 90_000}, "liquidity": {"usd": 25_000},
        "priceChange": {"h24": 200}, "txns": {"h24": {"buys": 4, "sells": 2}},
    }  # fmt: skip
    if age_hours is not None:
        made = datetime.now(UTC) - timedelta(hours=age_hours)
        row["pairCreatedAt"] = int(made.timestamp() * 1000)
    return {**row, **more}


class Discovery:
    """One database, a scripted DexScreener, and runs by hand."""

    def __init__(self, database: Any, server: ScriptedDexScreener, gecko: ScriptedGecko) -> None:
        self.sql: psycopg.Connection[dict[str, Any]] = database.connect()
        self.server, self.gecko = server, gecko
        self.sql.execute("delete from quota")
        for name, url in (("dexscreener", server.url), ("geckoterminal", gecko.url)):
            self.sql.execute(
                "update upstream set base_url = %s, spacing = '0' where name = %s", (url, name)
            )

    def run(self, task: str = "tasks.discovery.discover", **options: Any) -> dict[str, Any]:
        """A run by hand, all its batches one after the other; the row of `run`."""
        from workers.app import app

        app.loader.import_default_modules()
        run_id = uuid.uuid4()
        app.tasks[task].apply(kwargs=options, task_id=str(run_id))
        return self.go_on(task, run_id)

    def go_on(self, task: str, run_id: uuid.UUID) -> dict[str, Any]:
        """Work what is left of a run, as if every pause were over; the row of `run`."""
        from workers.app import app

        for _ in range(40):
            self.let_time_pass()
            batch = self.sql.execute(
                "update batch set not_before = null, waiting_for = null where (run_id, seq) = ("
                " select run_id, seq from batch where run_id = %s and state in ('waiting', 'sent')"
                " order by seq limit 1) returning seq",
                (run_id,),
            ).fetchone()
            if batch is None:
                return self.one("select * from run where id = %s", run_id)
            app.tasks[task].apply(args=(str(run_id), batch["seq"]), task_id=str(uuid.uuid4()))
        raise AssertionError("the run does not end")

    def let_time_pass(self) -> None:
        """Blocks end."""
        self.sql.execute(
            "update upstream_state set blocked_until = least(blocked_until, clock_timestamp()),"
            " next_permit_at = least(next_permit_at, clock_timestamp())"
        )

    def one(self, query: str, *values: Any) -> dict[str, Any]:
        row = self.sql.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.sql.execute(query, values).fetchall()

    def feed(
        self, *addresses: str, chain: str = "solana", feed: str = "boosts_top", **more: Any
    ) -> None:
        """Name tokens in a feed, each with a pair that passes every filter."""
        self.server.feeds[feed] = [boost(address, chain) for address in addresses]
        for address in addresses:
            self.server.pairs.setdefault(address, [pair(address, chain, **more)])

    def verdicts(self, run: Mapping[str, Any]) -> dict[str, str | None]:
        """Why each token was rejected, by address; None for the chosen."""
        rows = self.all(
            "select t.address, s.chosen, s.rejected_because from token_sighting s join token t on t.id = s.token_id"
            " where s.run_id = %s", run["id"]
        )  # fmt: skip
        assert all(row["chosen"] == (row["rejected_because"] is None) for row in rows)
        return {row["address"]: row["rejected_because"] for row in rows}

    def chosen(self, run: Mapping[str, Any]) -> Sequence[str]:
        return sorted(address for address, why in self.verdicts(run).items() if why is None)


@pytest.fixture
def discovery(database: Any) -> Iterator[Discovery]:
    server, gecko = ScriptedDexScreener(), ScriptedGecko()
    driven = Discovery(database, server, gecko)
    yield driven
    driven.sql.close()
    server.close()
    gecko.close()
