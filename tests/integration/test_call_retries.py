"""A GET that hangs is asked again within the call's time, each attempt with a permit of its own."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from tests.support.network import Hanging
from workers.errors import QuotaWait, Unavailable
from workers.upstreams import CallOptions, UpstreamClient

pytestmark = pytest.mark.outside(17)


@pytest.fixture
def upstream(connection: Any, odd_server: Any) -> Any:
    """``upstream(hangs=1, concurrency=…)``: a server whose first answers do not come, with its row."""

    def make(hangs: int, **columns: Any) -> Hanging:
        treat = Hanging(hangs)
        values = {"name": "generic", "base_url": f"http://127.0.0.1:{odd_server(treat)}", **columns}
        marks = ", ".join(f"%({column})s" for column in values)
        connection.execute(f"insert into upstream ({', '.join(values)}) values ({marks})", values)
        return treat

    return make


def permits(connection: Any) -> list[dict[str, Any]]:
    return connection.execute(
        "select settled, status, extract(epoch from stamp - granted_at)::float8 as lease from permit order by id"
    ).fetchall()


@pytest.mark.parametrize("hangs", [1, 2])
def test_the_first_answers_hang_and_the_next_is_good(
    upstream: Any, connection: Any, hangs: int
) -> None:
    treat = upstream(hangs)

    began = time.monotonic()
    assert UpstreamClient().get("generic", "/x", CallOptions(timeout=8.0)).text == "ok"

    assert time.monotonic() - began < 8.0
    assert len(treat.heard) == hangs + 1
    *hung, good = permits(connection)
    assert (good["settled"], good["status"]) == (True, 200)
    # The upstream may go on with them: they count for the whole time of the call and a second.
    assert [permit["settled"] for permit in hung] == [False] * hangs
    assert [permit["lease"] for permit in hung] == pytest.approx([9.0] * hangs)
    state = connection.execute("select failures from upstream_state where upstream = 'generic'")
    assert state.fetchone() == {"failures": 0}


def test_a_post_that_hangs_is_not_repeated(upstream: Any, connection: Any) -> None:
    treat = upstream(1)

    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().post("generic", "/x", {"say": "once"}, CallOptions(timeout=1.0))

    assert len(treat.heard) == 1
    assert [permit["settled"] for permit in permits(connection)] == [False]


@pytest.mark.parametrize("columns", [{"concurrency": 1}, {"spacing": "1 second"}])
def test_where_no_second_call_may_go_beside_it_the_first_has_the_whole_time(
    upstream: Any, connection: Any, columns: dict[str, Any]
) -> None:
    upstream(1, **columns)

    began = time.monotonic()
    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().get("generic", "/x", CallOptions(timeout=1.5))

    assert time.monotonic() - began >= 1.5
    assert len(permits(connection)) == 1


FAILED = """
update upstream_state set failures = 5, blocked_reason = 'down', blocked_until = clock_timestamp() + %s
 where upstream = 'generic'
"""


def test_a_call_that_tries_after_a_block_has_the_whole_time(upstream: Any, connection: Any) -> None:
    upstream(1)
    connection.execute(FAILED, (timedelta(seconds=-1),))

    began = time.monotonic()
    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().get("generic", "/x", CallOptions(timeout=1.5))

    assert time.monotonic() - began >= 1.5
    assert len(permits(connection)) == 1


def test_an_upstream_is_not_blamed_for_the_time_that_a_permit_took(
    upstream: Any, connection: Any
) -> None:
    upstream(1)
    connection.execute(FAILED, (timedelta(seconds=1.3),))

    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().get("generic", "/x", CallOptions(timeout=1.6))

    assert len(permits(connection)) == 1
    state = connection.execute("select failures from upstream_state where upstream = 'generic'")
    assert state.fetchone() == {"failures": 5}


def test_without_a_second_permit_the_call_failed_and_is_an_outage(
    upstream: Any, connection: Any
) -> None:
    """Not handed back to wait: it would hang again each time."""
    upstream(1)
    connection.execute("insert into quota (upstream, per, calls) values ('generic', '1 hour', 1)")

    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().get("generic", "/x", CallOptions(timeout=2.0))

    assert len(permits(connection)) == 1
    state = connection.execute("select failures from upstream_state where upstream = 'generic'")
    assert state.fetchone() == {"failures": 1}


def test_an_attempt_given_up_counts_in_every_window(upstream: Any, connection: Any) -> None:
    treat = upstream(1)
    connection.execute("insert into quota (upstream, per, calls) values ('generic', '30 seconds', 2)")

    assert UpstreamClient().get("generic", "/x", CallOptions(timeout=4.0)).status == 200
    with pytest.raises(QuotaWait, match="2 calls "):
        UpstreamClient().get("generic", "/y", CallOptions(timeout=4.0))

    assert len(treat.heard) == 2


def test_an_upstream_that_always_hangs_ends_at_the_deadline_as_one_outage(
    upstream: Any, connection: Any
) -> None:
    upstream(99)

    began = time.monotonic()
    with pytest.raises(Unavailable, match="the response was not complete in time"):
        UpstreamClient().get("generic", "/x", CallOptions(timeout=2.0))

    assert 1.9 <= time.monotonic() - began < 3.5
    assert [permit["settled"] for permit in permits(connection)] == [False] * 3
    state = connection.execute("select failures from upstream_state where upstream = 'generic'")
    assert state.fetchone() == {"failures": 1}
