"""Where calls may go: refused when saved, and at the address that is about to be connected to."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any

import psycopg
import pytest

from tests.support.network import Hanging
from tests.support.tools import need
from workers.errors import AddressRefused, BrokenResponse, Unavailable
from workers.upstreams import CallOptions, UpstreamClient, addresses

pytestmark = pytest.mark.outside(4)


@pytest.fixture
def closed(connection: Any) -> Any:
    """The owner's list is empty, as in a new installation."""
    connection.execute("delete from allowed_network")
    return connection


@pytest.fixture
def server(odd_server: Any) -> tuple[Hanging, int]:
    """A server on loopback that answers, and what it heard."""
    treat = Hanging(0)
    return treat, odd_server(treat)


def add(connection: Any, url: str, name: str = "shop", **columns: Any) -> None:
    values = {"name": name, "base_url": url, **columns}
    marks = ", ".join(f"%({column})s" for column in values)
    connection.execute(f"insert into upstream ({', '.join(values)}) values ({marks})", values)


FORBIDDEN = [
    "http://169.254.169.254", "http://127.0.0.1", "http://127.0.0.2:8080/x", "https://10.0.0.1/", "http://0.0.0.0",
    "http://192.168.1.1", "http://172.20.0.1", "http://100.64.0.1", "http://localhost:5432", "http://LocalHost",
    "http://a.localhost", "http://localhost.", "http://metadata.google.internal/", "smtp://127.0.0.1:25",
    "smtps://mail@10.1.1.1", "http://shop.example@169.254.169.254/", "http://[::1]:80/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[fd00:ec2::254]/", "http://[fe80::1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_base_url_that_leads_to_such_an_address_is_not_saved(closed: Any, url: str) -> None:
    # Mail servers are the owner's alone.
    for role in ("owner",) if url.startswith("smtp") else ("operator", "owner"):
        closed.execute(f"set role {role}")
        with pytest.raises(psycopg.errors.CheckViolation, match="no call may go") as refused:
            add(closed, url)
        assert "allowed_network" in str(refused.value.diag.message_hint)
    with pytest.raises(psycopg.errors.CheckViolation, match="no call may go"):
        closed.execute("update upstream set base_url = %s where name = 'stooq'", (url,))


@pytest.mark.parametrize(
    "url", ["http://2130706433", "http://0x7f.1", "http://0177.0.0.1", "http://127.1", "http://[::x]"]
)
def test_an_address_in_disguise_is_not_saved(connection: Any, url: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="has an invalid host"):
        add(connection, url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:secret@api.example.org/v1", "contains a login"),
        ("https://user@api.example.org", "contains a login"),
        ("https://api.example.org/a path", "contains a blank"),
        ("https://api.example.org/\n", "contains a blank"),
    ],
)
def test_an_address_with_a_login_or_a_blank_is_not_saved(connection: Any, url: str, said: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=said) as refused:
        add(connection, url)
    assert "secret" not in str(refused.value.diag.message_primary)
    assert refused.value.diag.message_hint
    # An @ in a path is no login.
    add(connection, "https://api.example.org/@shop")


def test_what_an_owner_allowed_is_saved_and_an_old_row_may_still_be_edited(closed: Any) -> None:
    closed.execute("insert into allowed_network (network, note) values ('10.1.2.0/24', 'our relay')")
    add(closed, "smtp://10.1.2.3:25")
    add(closed, "https://api.example.org", "public")
    closed.execute("delete from allowed_network")

    closed.execute("update upstream set concurrency = 2, enabled = false where name = 'shop'")

    row = closed.execute("select base_url from upstream where name = 'shop'").fetchone()
    assert row == {"base_url": "smtp://10.1.2.3:25"}


@pytest.mark.parametrize("role", ["viewer", "operator", "service"])
def test_only_an_owner_writes_the_list(closed: Any, role: str) -> None:
    closed.execute(f"set role {role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        closed.execute("insert into allowed_network (network) values ('0.0.0.0/0')")
    assert closed.execute("select from allowed_network").fetchall() == []
    closed.execute("set role owner")
    closed.execute("insert into allowed_network (network) values ('10.0.0.0/8')")


def test_the_database_and_the_workers_judge_alike(closed: Any) -> None:
    borders = [
        ip_address(int(edge) + step)
        for network, _ in addresses.SPECIAL
        for edge in (network[0], network[-1])
        for step in (-1, 0, 1)
        if 0 <= int(edge) + step < 2**network.max_prefixlen
        and (network.version == 4 or int(edge) + step >= 2**32)
    ]
    chance = random.Random(4)
    some = [ip_address(chance.getrandbits(32)) for _ in range(300)]
    some += [ip_address(chance.getrandbits(128)) for _ in range(300)]
    v4 = [int(one) for one in (*borders, *some) if one.version == 4]
    inside = [ip_address((high << 32) + low) for high in (0xFFFF, 0x64FF9B << 64) for low in v4]
    closed.execute("insert into allowed_network (network) values ('10.1.0.0/16'), ('fd00::/64')")
    allowed = [addresses.ip_network(one) for one in ("10.1.0.0/16", "fd00::/64")]

    everything = [*borders, *some, *inside, ip_address("10.1.2.3"), ip_address("fd00::1")]
    rows = closed.execute(
        "select a, address_refusal(a::inet) as why from unnest(%s::text[]) a",
        ([str(one) for one in everything],),
    )
    differ = [
        (row["a"], row["why"]) for row in rows
        if row["why"] != addresses.refusal(ip_address(row["a"]), allowed)
    ]  # fmt: skip
    assert differ == []


def test_a_name_at_a_private_address_is_refused_at_the_call_and_that_is_nobodys_outage(
    closed: Any, server: Any, names: Any
) -> None:
    treat, port = server
    names.of["shop.test"] = ["127.0.0.1"]
    add(closed, f"http://shop.test:{port}")

    with pytest.raises(AddressRefused) as refused:
        UpstreamClient().get("shop", "/")

    assert "shop.test is at 127.0.0.1 (loopback)" in str(refused.value)
    assert "INSERT INTO allowed_network (network, note) VALUES ('127.0.0.1'" in str(refused.value)
    assert treat.heard == []
    assert names.asked == ["shop.test"]
    assert closed.execute("select settled from permit").fetchall() == [{"settled": True}]
    state = closed.execute("select failures from upstream_state where upstream = 'shop'").fetchone()
    assert state == {"failures": 0}


@pytest.mark.parametrize(
    "host",
    ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0",
     "127\u30020\u30020\u30021", "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "x@127.0.0.1"],
)  # fmt: skip
def test_no_way_to_write_loopback_gets_there(closed: Any, server: Any, host: str) -> None:
    """Saved before there was a check, or unknown to it."""
    treat, port = server
    closed.execute("alter table upstream disable trigger upstream_check")
    add(closed, f"http://{host}:{port}")

    with pytest.raises((AddressRefused, BrokenResponse, Unavailable)):
        UpstreamClient().get("shop", "/", CallOptions(timeout=5))

    assert treat.heard == []


def test_the_address_that_was_judged_is_the_one_connected_to(
    connection: Any, server: Any, names: Any
) -> None:
    """A name that leads elsewhere at its second lookup gains nothing: there is none."""
    treat, port = server
    names.of["shop.test"] = ["169.254.169.254", "127.0.0.1"]
    add(connection, f"http://shop.test:{port}")

    assert UpstreamClient().get("shop", "/").text == "ok"

    assert names.asked == ["shop.test"]
    assert f"host: shop.test:{port}" in treat.heard[0].decode().lower()


@pytest.mark.parametrize(
    "there", ["169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "0.0.0.0"]
)
def test_a_redirect_is_judged_too(connection: Any, odd_server: Any, names: Any, there: str) -> None:
    def treat(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while peer.recv(65536):
                to = f"http://www.shop.test:{port}/secret"
                peer.sendall(
                    f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
                )

    port = odd_server(treat)
    names.of = {"shop.test": ["127.0.0.1"], "www.shop.test": [there]}
    add(connection, f"http://shop.test:{port}")

    with pytest.raises(AddressRefused, match="www.shop.test is at"):
        UpstreamClient().get("shop", "/")

    assert len(connection.execute("select from permit").fetchall()) == 2


def test_robots_txt_at_such_an_address_is_not_taken_for_absent(
    closed: Any, server: Any, names: Any
) -> None:
    names.of["shop.test"] = ["127.0.0.1"]
    add(closed, f"http://shop.test:{server[1]}", obey_robots=True)

    with pytest.raises(AddressRefused):
        UpstreamClient().get("shop", "/")

    assert closed.execute("select from robots_file").fetchall() == []


def test_an_edit_of_the_list_is_in_force_within_a_second_or_so_also_on_a_kept_connection(
    connection: Any, server: Any, eventually: Any
) -> None:
    add(connection, f"http://127.0.0.1:{server[1]}")

    def outcome() -> str:
        try:
            return UpstreamClient().get("shop", "/").text
        except AddressRefused:
            return "refused"

    assert outcome() == "ok"
    connection.execute("delete from allowed_network")
    eventually(lambda: outcome() == "refused", within=3)
    connection.execute("insert into allowed_network (network) values ('127.0.0.1')")
    eventually(lambda: outcome() == "ok", within=3)


def test_the_items_of_a_run_fail_with_that_reason(
    connection: Any, server: Any, new_run: Any, work: Any, row: Any
) -> None:
    add(connection, f"http://127.0.0.1:{server[1]}", "generic")
    connection.execute("delete from allowed_network")
    run_id = new_run("tests.calling", items=2)

    work(run_id, task="tests.calling")

    ended = row(run_id)
    assert (ended["state"], ended["failed"]) == ("failed", 2)
    assert "127.0.0.1 (loopback), where no call may go" in ended["error"]
    assert server[0].heard == []


def test_mail_to_such_an_address_waits_for_the_owner(people: Any) -> None:
    people.channel("email")
    people.sql.execute("select send_test('email')")
    people.sql.execute("delete from allowed_network")

    people.send()

    (notice,) = people.all("select state, answer from notice")
    assert notice["state"] == "waiting"
    assert "127.0.0.1 (loopback), where no call may go" in notice["answer"]
    assert people.in_mailbox() == []

    people.sql.execute("insert into allowed_network (network) values ('127.0.0.0/8')")
    from workers.upstreams import allowed_networks

    allowed_networks.listed.forget()
    people.now()
    people.send()
    assert people.states() == {"email": ["sent"]}
    assert len(people.in_mailbox()) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise's own
def test_apprise_reaches_no_such_address_either(
    people: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.upstreams import allowed_networks

    need(find_spec("apprise"), "Apprise (the extra named apprise)")
    treat, port = server
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_APP", f"json://127.0.0.1:{port}/hook")
    people.insert(
        "channel",
        {
            "name": "app",
            "kind": "apprise",
            "target": "env:WATCHKEEPER_CHANNEL_APP",
            "upstream": "discord",
        },
    )
    people.sql.execute("select send_test('app')")
    people.sql.execute("delete from allowed_network")

    people.send()

    (notice,) = people.all("select state, answer from notice")
    assert notice["state"] == "waiting"
    assert "127.0.0.1 (loopback), where no call may go" in notice["answer"]
    assert treat.heard == []

    people.sql.execute("insert into allowed_network (network) values ('127.0.0.0/8')")
    allowed_networks.listed.forget()
    people.now()
    people.send()
    assert people.states() == {"app": ["sent"]}
    assert treat.heard[0].startswith(b"POST /hook")
