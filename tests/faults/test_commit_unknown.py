"""The connection dies during COMMIT: whether it was done is unknown, and must not matter."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

COMMIT = b"COMMIT\x00"


@pytest.fixture
def through_proxy(
    proxy: Any, postgres_server: Any, database: Any, monkeypatch: pytest.MonkeyPatch, kinds: Any
) -> Any:
    """This process reaches Postgres through a proxy from now on."""
    from tests.support.postgres import forget_caches

    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", url)
    forget_caches()
    return between


@pytest.mark.parametrize("verdict", ["lose", "deafen"])
@pytest.mark.parametrize("nth", range(1, 7))
def test_every_item_is_done_once_whichever_commit_is_lost_or_unheard(
    through_proxy: Any, new_run: Any, work: Any, row: Any, connection: Any, nth: int, verdict: str
) -> None:
    run_id = new_run("tests.counting", items=3)
    commits = 0

    def judge(piece: bytes) -> str:
        nonlocal commits
        commits += piece.count(COMMIT)
        if commits < nth or COMMIT not in piece:
            return "pass"
        commits = -1_000
        return verdict

    through_proxy.judge = judge
    for _ in range(5):
        # A worker that died before it knew what it had: its lease ends, beat takes the batch back.
        connection.execute(
            "update batch set state = 'waiting', not_before = null where state = 'running'"
        )
        with suppress(DBAPIError):
            work(run_id)

    assert commits < 0
    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["open_batches"]) == ("succeeded", 3, 0)
    done = [r["item"] for r in connection.execute("select item from effect order by item")]
    assert done == ["i0", "i1", "i2"]
