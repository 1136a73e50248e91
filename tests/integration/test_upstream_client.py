"""The client: attempts, refusals, deadlines, permits, against a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from workers.errors import (
    Blocked,
    BrokenResponse,
    NotFound,
    QuotaSpent,
    QuotaWait,
    RateLimited,
    Unavailable,
)
from workers.upstreams import CallOptions, UpstreamClient
from workers.upstreams.responses import Response, Validators


@pytest.fixture
def upstream(imitation: Any, connection: Any) -> Callable[..., Any]:
    """``upstream(*options, concurrency=…, quota={"6 seconds": 5})`` starts an imitation with its row."""

    def make(*options: str, quota: dict[str, int] | None = None, **columns: Any) -> Any:
        server = imitation("generic", *options)
        values = {"name": "generic", "base_url": server.url, **columns}
        connection.execute(
            f"insert into upstream ({', '.join(values)}) values ({', '.join(f'%({k})s' for k in values)})",
            values,
        )
        for per, calls in (quota or {}).items():
            connection.execute("insert into quota values ('generic', %s, %s)", (per, calls))
        return server

    return make


def permits(connection: Any) -> list[dict[str, Any]]:
    return connection.execute("select * from permit order by id").fetchall()


def test_each_call_has_a_settled_permit_with_its_status(upstream: Any, connection: Any) -> None:
    upstream()

    answer = UpstreamClient().get("generic", "/a?apikey=verysecretkey")

    assert answer.json()["ok"] is True
    (permit,) = permits(connection)
    assert (permit["settled"], permit["status"], permit["path"]) == (True, 200, "/a")


def test_a_redirect_takes_a_permit_of_its_own(upstream: Any, connection: Any) -> None:
    upstream()

    UpstreamClient().get("generic", "/redirect/2")

    assert [p["status"] for p in permits(connection)] == [302, 302, 200]


def test_a_redirect_to_another_server_is_refused(upstream: Any) -> None:
    upstream()

    with pytest.raises(BrokenResponse, match="another server"):
        UpstreamClient().get("generic", "/elsewhere")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFound), (410, NotFound), (403, Blocked), (400, BrokenResponse), (501, BrokenResponse)],
)
def test_a_status_is_a_typed_error(upstream: Any, status: int, error: type[Exception]) -> None:
    upstream()

    with pytest.raises(error):
        UpstreamClient().get("generic", f"/status/{status}")


def test_a_server_error_is_tried_three_times(upstream: Any, connection: Any) -> None:
    upstream()

    with pytest.raises(Unavailable, match="answered 500"):
        UpstreamClient().get("generic", "/status/500")

    assert [p["status"] for p in permits(connection)] == [500, 500, 500]


def test_what_may_have_changed_something_is_not_sent_twice(upstream: Any, connection: Any) -> None:
    upstream()

    with pytest.raises(Unavailable):
        UpstreamClient().post("generic", "/status/500", {"say": "once"})

    assert [p["status"] for p in permits(connection)] == [500]


def test_one_deadline_holds_for_all_attempts_and_redirects_together(upstream: Any) -> None:
    server = upstream()
    server.control(slow=0.6)

    began = time.monotonic()
    with pytest.raises(Unavailable):
        UpstreamClient().get("generic", "/redirect/5", CallOptions(timeout=1.5))

    assert time.monotonic() - began < 3


def test_refusals_inside_a_200_close_the_door_for_longer_each_time(
    upstream: Any, connection: Any
) -> None:
    upstream()

    def check(answer: Response) -> None:
        raise RateLimited("generic", "says: too much")

    for _ in range(3):
        connection.execute(
            "update upstream_state set blocked_until = clock_timestamp() where failures > 0"
        )
        with pytest.raises(QuotaWait, match="too much"):
            UpstreamClient().get("generic", "/", CallOptions(check=check))

    state = connection.execute(
        "select failures, blocked_until > clock_timestamp() + interval '40 s' as long"
        " from upstream_state where upstream = 'generic'"
    ).fetchone()
    assert (state["failures"], state["long"]) == (3, True)


def test_a_page_that_robots_txt_forbids_blocks_nothing(imitation: Any, connection: Any) -> None:
    server = imitation("head_fi")
    connection.execute(
        "update upstream set base_url = %s, spacing = '0' where name = 'head_fi'", (server.url,)
    )

    with pytest.raises(Blocked, match="robots.txt"):
        UpstreamClient().get("head_fi", "/account/you")

    assert UpstreamClient().get("head_fi", "/classifieds/").status == 200


def test_a_short_retry_after_is_waited_for_and_costs_no_attempt(upstream: Any, connection: Any) -> None:
    server = upstream()
    server.control(retry_after=1.0)

    began = time.monotonic()
    answer = UpstreamClient().get("generic", "/a")

    assert answer.status == 200
    assert 0.9 <= time.monotonic() - began < 5
    assert [p["status"] for p in permits(connection)] == [429, 200]


def test_a_long_retry_after_closes_the_door_for_everybody(upstream: Any, connection: Any) -> None:
    server = upstream()
    server.control(retry_after=30)

    with pytest.raises(QuotaWait, match="blocked"):
        UpstreamClient().get("generic", "/a")
    with pytest.raises(QuotaWait, match="answered 429"):
        UpstreamClient().get("generic", "/b")

    assert len(permits(connection)) == 1
    state = connection.execute("select * from upstream_state where upstream = 'generic'").fetchone()
    assert "429" in state["blocked_reason"]


def test_after_a_block_one_call_tries_and_a_good_answer_ends_it(upstream: Any, connection: Any) -> None:
    server = upstream()
    server.control(challenge=60)
    with pytest.raises(Blocked, match="challenge page"):
        UpstreamClient().get("generic", "/a")
    server.control(challenge=0)
    connection.execute("update upstream_state set blocked_until = clock_timestamp()")

    UpstreamClient().get("generic", "/b")

    state = connection.execute("select * from upstream_state where upstream = 'generic'").fetchone()
    assert (state["failures"], state["blocked_until"]) == (0, None)


def test_an_answer_longer_than_allowed_is_refused(upstream: Any) -> None:
    upstream()

    with pytest.raises(BrokenResponse, match="longer than 1000 bytes"):
        UpstreamClient().get("generic", "/large", CallOptions(max_bytes=1000))


@pytest.mark.parametrize("kind", ["silent", "trickling headers", "trickling body"])
def test_nothing_stretches_the_deadline_and_the_permit_stays_unsettled(
    odd_server: Any, connection: Any, kind: str
) -> None:
    def treat(peer: socket.socket) -> None:
        start = {"silent": b"", "trickling headers": b"HTTP/1.1 200 OK\r\n"}.get(
            kind, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        )
        with peer, suppress(OSError):
            peer.sendall(start)
            while kind != "silent":
                peer.sendall(b"x")
                threading.Event().wait(0.05)
            while peer.recv(4096):
                pass

    port = odd_server(treat)
    connection.execute(
        "insert into upstream (name, base_url) values ('odd', %s)", (f"http://127.0.0.1:{port}",)
    )

    began = time.monotonic()
    with pytest.raises(Unavailable, match="not complete in time"):
        UpstreamClient().get("odd", "/", CallOptions(timeout=1.0))

    assert time.monotonic() - began < 2.5
    assert {p["settled"] for p in permits(connection)} == {False}


def test_a_call_whose_connection_broke_after_sending_stays_unsettled(
    odd_server: Any, connection: Any
) -> None:
    def treat(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.close()

    connection.execute(
        "insert into upstream (name, base_url) values ('odd', %s)",
        (f"http://127.0.0.1:{odd_server(treat)}",),
    )

    with pytest.raises(Unavailable):
        UpstreamClient().post("odd", "/", {"say": "once"}, CallOptions(timeout=3.0))

    assert [p["settled"] for p in permits(connection)] == [False]


def test_a_refused_connection_is_unavailable_and_settled(connection: Any) -> None:
    connection.execute("insert into upstream (name, base_url) values ('gone', 'http://127.0.0.1:1')")

    with pytest.raises(Unavailable):
        UpstreamClient().get("gone", "/", CallOptions(timeout=5))

    assert [p["settled"] for p in permits(connection)] == [True] * 3


def test_a_secret_is_in_no_error(connection: Any) -> None:
    connection.execute("insert into upstream (name, base_url) values ('gone', 'http://127.0.0.1:1')")

    key = "sekret-value-1"
    options = CallOptions(params={"apikey": key}, secrets=(key,), timeout=3)

    with pytest.raises(Unavailable) as caught:
        UpstreamClient().get("gone", "/x", options)

    assert key not in str(caught.value)


def test_a_refusal_inside_a_200_blocks_the_upstream(upstream: Any) -> None:
    upstream()

    def check(answer: Response) -> None:
        raise RateLimited("generic", "says: too much", retry_after=60.0)

    with pytest.raises(QuotaWait, match="too much"):
        UpstreamClient().get("generic", "/", CallOptions(check=check))


def test_the_days_quota_is_spent_not_waited_for(upstream: Any) -> None:
    upstream(quota={"1 day": 2})
    UpstreamClient().get("generic", "/1")
    UpstreamClient().get("generic", "/2")

    with pytest.raises(QuotaSpent, match="2 calls a day"):
        UpstreamClient().get("generic", "/3")


def test_an_edited_quota_is_in_force_at_the_next_call(upstream: Any, connection: Any) -> None:
    upstream(quota={"1 hour": 1})
    UpstreamClient().get("generic", "/1")
    with pytest.raises(QuotaWait):
        UpstreamClient().get("generic", "/2")

    connection.execute("update quota set calls = 2")

    assert UpstreamClient().get("generic", "/2").status == 200


def test_robots_txt_is_obeyed(imitation: Any, connection: Any) -> None:
    server = imitation("head_fi")
    connection.execute(
        "update upstream set base_url = %s, spacing = '0' where name = 'head_fi'", (server.url,)
    )

    assert UpstreamClient().get("head_fi", "/classifieds/").status == 200
    with pytest.raises(Blocked, match="robots.txt"):
        UpstreamClient().get("head_fi", "/account/you")
    delay = connection.execute(
        "select crawl_delay from upstream_state where upstream = 'head_fi'"
    ).fetchone()
    assert delay["crawl_delay"] == timedelta(seconds=1)


def test_what_is_not_modified_is_said_so(imitation: Any, connection: Any) -> None:
    server = imitation("head_fi")
    connection.execute(
        "update upstream set base_url = %s, spacing = '0', obey_robots = false where name = 'head_fi'",
        (server.url,),
    )
    path = "/classifieds/categories/media-for-sale-trade.13/page-99"
    first = UpstreamClient().get("head_fi", path)

    again = UpstreamClient().get("head_fi", path, CallOptions(validators=first.validators))

    assert first.validators != Validators()
    assert again.not_modified


def test_no_window_at_the_upstream_is_ever_exceeded_whatever_the_latency(
    upstream: Any, connection: Any, database: Any
) -> None:
    server = upstream(
        "--limit", "10/1", "--concurrency", "3", "--latency", "lognormal:10,1,300",
        quota={"1 second": 10}, concurrency=3,
    )  # fmt: skip
    until = time.monotonic() + 6
    done: list[int] = []

    def hammer() -> None:
        client = UpstreamClient()
        while time.monotonic() < until:
            try:
                client.get("generic", "/x", CallOptions(timeout=5))
            except (QuotaWait, Unavailable):
                # On a machine under load an answer may not come in time: that call stays unsettled.
                continue
            done.append(1)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    judged = server.get("/_violations")
    assert judged["violations"] == 0, judged
    assert judged["concurrency"]["most"] <= 3
    assert len(done) >= 10
