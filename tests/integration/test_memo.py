"""Work that needs two calls, and waits between them, pays for each once; and is nobody's outage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workers.errors import QuotaWait, Unavailable
from workers.ledger.memo import BatchMemo
from workers.upstreams import CallOptions, UpstreamClient, client, robots_files
from workers.upstreams.robots import Disallowed


@pytest.fixture
def generic(imitation: Any, connection: Any) -> Callable[..., Any]:
    """``generic(spacing="1 minute")`` starts an imitation with its row."""

    def make(**columns: Any) -> Any:
        server = imitation("generic")
        values = {"name": "generic", "base_url": server.url, **columns}
        connection.execute(
            f"insert into upstream ({', '.join(values)}) values ({', '.join(f'%({k})s' for k in values)})",
            values,
        )
        return server

    return make


def paths(server: Any) -> list[str]:
    return [row["path"] for row in server.get("/_log")]


def test_a_redirect_that_must_wait_half_way_goes_on_where_it_was(
    generic: Any, new_run: Any, kinds: Any, connection: Any
) -> None:
    server = generic(spacing="1 minute")
    run_id = new_run("tests.calling")
    with pytest.raises(QuotaWait):
        UpstreamClient(run_id=run_id, seq=0, memo=BatchMemo(run_id, 0, resumed=False)).get(
            "generic", "/redirect/2"
        )
    for hop in ("/redirect/1", "/end"):
        connection.execute("update permit set stamp = stamp - interval '2 minutes'")
        client = UpstreamClient(run_id=run_id, seq=0, memo=BatchMemo(run_id, 0, resumed=True))
        if hop == "/end":
            assert client.get("generic", "/redirect/2").url.endswith("/end")
        else:
            with pytest.raises(QuotaWait):
                client.get("generic", "/redirect/2")

    assert paths(server) == ["/redirect/2", "/redirect/1", "/end"]


def test_what_one_batch_was_sent_on_to_is_nothing_to_another(
    generic: Any, new_run: Any, kinds: Any, connection: Any
) -> None:
    server = generic(spacing="1 minute")
    for run_id in (new_run("tests.calling"), new_run("tests.calling")):
        with pytest.raises(QuotaWait):
            UpstreamClient(run_id=run_id, seq=0, memo=BatchMemo(run_id, 0, resumed=True)).get(
                "generic", "/redirect/1"
            )
        connection.execute("update permit set stamp = stamp - interval '2 minutes'")

    assert paths(server) == ["/redirect/1", "/redirect/1"]


def test_robots_txt_is_fetched_once_for_all_processes(generic: Any, connection: Any) -> None:
    server = generic(obey_robots=True)

    for number in range(3):
        UpstreamClient().get("generic", f"/{number}")
        robots_files.forget()

    assert paths(server).count("/robots.txt") == 1


def test_a_moved_site_has_another_robots_txt(generic: Any, imitation: Any, connection: Any) -> None:
    generic(obey_robots=True)
    UpstreamClient().get("generic", "/1")
    other = imitation("generic")
    connection.execute("update upstream set base_url = %s where name = 'generic'", (other.url,))
    client.reset()

    UpstreamClient().get("generic", "/1")

    assert paths(other) == ["/robots.txt", "/1"]


def test_a_redirect_leads_nowhere_that_robots_txt_forbids(generic: Any, connection: Any) -> None:
    server = generic(obey_robots=True)
    connection.execute(
        "insert into robots_file (upstream, url, body) values ('generic', %s, %s)",
        (f"{server.url}/robots.txt", "User-agent: *\nDisallow: /end"),
    )

    with pytest.raises(Disallowed):
        UpstreamClient().get("generic", "/redirect/1")

    assert paths(server) == ["/redirect/1"]


def test_a_call_can_obey_robots_txt_whatever_the_row_says(generic: Any, connection: Any) -> None:
    server = generic()
    connection.execute(
        "insert into robots_file (upstream, url, body) values ('generic', %s, %s)",
        (f"{server.url}/robots.txt", "User-agent: *\nDisallow: /private"),
    )

    with pytest.raises(Disallowed):
        UpstreamClient().get("generic", "/private/x", CallOptions(obey_robots=True))

    assert UpstreamClient().get("generic", "/private/x").status == 200


def test_time_that_ran_out_in_our_own_queue_is_no_outage_of_the_upstream(
    generic: Any, connection: Any
) -> None:
    generic(spacing="1 minute")
    UpstreamClient().get("generic", "/1")

    for _ in range(6):
        client = UpstreamClient()
        with client.max_wait(100), pytest.raises(Unavailable, match="before a permit was granted"):
            client.get("generic", "/2", CallOptions(timeout=0.1))

    state = connection.execute(
        "select failures, blocked_until from upstream_state where upstream = 'generic'"
    )
    assert state.fetchone() == {"failures": 0, "blocked_until": None}


def test_a_call_given_up_counts_for_its_whole_time(imitation: Any, connection: Any) -> None:
    server = imitation("generic")
    connection.execute(
        "insert into upstream (name, base_url, spacing) values ('generic', %s, '1 second')",
        (server.url,),
    )
    UpstreamClient().get("generic", "/1")
    server.control(slow=2)

    with pytest.raises(Unavailable, match="in time"):
        UpstreamClient().get("generic", "/2", CallOptions(timeout=1.5))

    # The calls are spaced: while one hangs no other may go, so that it has the whole time.
    row = connection.execute(
        "select extract(epoch from stamp - granted_at)::float8 as lease from permit where path = '/2'"
    ).fetchone()
    assert row["lease"] == pytest.approx(2.5, abs=0.01)
