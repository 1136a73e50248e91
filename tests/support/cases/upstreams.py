"""Cases of retries and the breaker: calls through the client to a server that answers as the case says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.cases.common import only
from tests.support.discovery import NEVER
from tests.support.scripted_server import Reply
from workers.errors import QuotaWait, UpstreamError
from workers.settings import settings
from workers.upstreams import CallOptions, UpstreamClient, retry


def answer(said: Any) -> Reply:
    """A server's answer from a word for it: a status, a text, or what does not come."""
    if isinstance(said, int) or (isinstance(said, str) and said.isdigit()):
        return int(said), {}, []
    if said == "timeout":
        return NEVER
    if isinstance(said, str):
        return (200, {}, said) if said.startswith("<") else (501, {}, said)
    return 200, {}, said


# --- a run ------------------------------------------------------------------------------------------


def http_retry(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "responses")
    discovery, monkeypatch = need("discovery"), need("monkeypatch")
    pauses: list[float] = []
    pause = retry.pause
    # The longest pause that chance allows.
    monkeypatch.setattr("workers.backoff.random.uniform", lambda _, most: most)

    def at_most(attempt: int) -> float:
        """Kept, and not waited for."""
        pauses.append(pause(attempt))
        return 0.01

    monkeypatch.setattr(retry, "pause", at_most)
    # A block gives the worker back a little sooner than after the usual two seconds.
    monkeypatch.setenv("WATCHKEEPER_QUOTA_WAIT_SECONDS", "1.9")
    settings.cache_clear()
    replies = iter([answer(one) for one in given["responses"]])
    final = answer(given["responses"][-1])

    def reply(path: str, _: Any) -> Reply:
        discovery.server.paths.append(path)
        status, _, body = found = next(replies, final)
        return discovery.server.answer(
            found if found == NEVER else (status, {"Retry-After": "0"}, body)
        )  # type: ignore[no-any-return]

    discovery.server.reply = reply
    error = None
    try:
        seconds = 0.5 if "timeout" in given["responses"] else 30
        UpstreamClient().get("dexscreener", "/token-boosts/top/v1", CallOptions(timeout=seconds))
    except (UpstreamError, QuotaWait) as raised:
        error = str(raised)
        gave_up = isinstance(raised, QuotaWait) or f"answered {final[0]}" in error or final == NEVER
        error = "max retries exceeded" if gave_up else error
    return {"requests": len(discovery.server.paths), "delays_s": pauses, "error": error}


def breaker(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "failures", "open_for_s", "state", "result")
    discovery = need("discovery")
    need("monkeypatch").setattr(retry, "pause", lambda _: 0.0)
    # Nobody waits for the block: it is over now, or it is not.
    need("monkeypatch").setenv("WATCHKEEPER_QUOTA_WAIT_SECONDS", "0")
    settings.cache_clear()
    server = discovery.server

    def is_let_through() -> bool:
        """Whether a call reaches the server."""
        before = len(server.paths)
        try:
            UpstreamClient().get("dexscreener", "/token-boosts/top/v1")
        except (UpstreamError, QuotaWait):
            """What the server says does not matter here."""
        return len(server.paths) > before

    def pass_time(seconds: float) -> None:
        discovery.sql.execute(
            "update upstream_state set blocked_until = blocked_until - %s, next_permit_at = next_permit_at - %s"
            " where upstream = 'dexscreener'", (timedelta(seconds=seconds),) * 2,
        )  # fmt: skip

    server.instead["/token-boosts"] = (500, {}, "")
    for _ in range(given.get("failures", 5)):
        assert is_let_through()
    if "failures" in given:
        return {"state": "closed" if is_let_through() else "open"}
    assert not is_let_through()
    pass_time(given.get("open_for_s", 31))
    if given.get("result") == "success":
        server.instead.clear()
    allowed = is_let_through()
    if "open_for_s" in given:
        return {"allowed": allowed}
    assert (given["state"], allowed) == ("half_open", True)
    state = "closed" if is_let_through() else "open"
    row = discovery.one("select failures from upstream_state where upstream = 'dexscreener'")
    return {"state": state, **row}
