"""The time of a call holds whatever hangs: the resolver, the connection, TLS, the answer; without signals."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTPException
from typing import Any

import pytest

from tests.support.bad_servers import drop_by_drop, say_nothing
from tests.support.network import Hanging
from workers.errors import Unavailable
from workers.upstreams import CallOptions, UpstreamClient, deadline, network

ROOT = Path(__file__).parents[2]
TLS = ROOT / "tests" / "fixtures" / "tls"


def add(connection: Any, url: str, name: str = "odd", **columns: Any) -> None:
    values = {"name": name, "base_url": url, **columns}
    marks = ", ".join(f"%({column})s" for column in values)
    connection.execute(f"insert into upstream ({', '.join(values)}) values ({marks})", values)


@contextmanager
def taking(seconds: float, slack: float = 1.5) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + slack


def test_a_resolver_that_hangs_ends_with_the_call_and_holds_up_no_other_name(
    connection: Any, odd_server: Any, names: Any
) -> None:
    port = odd_server(Hanging(0))
    names.hang.add("hung.test")
    names.of["shop.test"] = ["127.0.0.1"]
    add(connection, f"http://hung.test:{port}", "hung")
    add(connection, f"http://shop.test:{port}", "shop")

    for _ in range(3):
        with taking(0.5), pytest.raises(Unavailable, match="in time"):
            UpstreamClient().post("hung", "/", {}, CallOptions(timeout=0.5))

    assert UpstreamClient().get("shop", "/").text == "ok"
    # All of them waited for one thread.
    assert names.asked == ["hung.test", "shop.test"]
    # Nothing was sent: nothing needs to stay counted.
    settled = connection.execute("select bool_and(settled) as all from permit").fetchone()
    assert settled == {"all": True}


@pytest.fixture
def full(odd_server: Any) -> Iterator[int]:
    """A port where 127.0.0.2 takes no more connections and 127.0.0.1 answers."""
    port = odd_server(Hanging(0))
    listener = socket.socket()
    listener.bind(("127.0.0.2", port))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        with suppress(BlockingIOError):
            one.connect(("127.0.0.2", port))
        waiting.append(one)
    yield port
    for one in (*waiting, listener):
        one.close()


def test_a_connection_that_is_not_taken_ends_with_the_call(connection: Any, full: int) -> None:
    add(connection, f"http://127.0.0.2:{full}")

    with taking(1.0), pytest.raises(Unavailable):
        UpstreamClient().post("odd", "/", {}, CallOptions(timeout=1.0))


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    connection: Any, full: int, names: Any
) -> None:
    names.of["shop.test"] = ["127.0.0.2", "127.0.0.1"]
    add(connection, f"http://shop.test:{full}")

    with taking(3.0):
        assert UpstreamClient().post("odd", "/", {}, CallOptions(timeout=3.0)).text == "ok"


def test_a_server_that_hangs_in_tls_ends_with_the_call(connection: Any, odd_server: Any) -> None:
    add(connection, f"https://127.0.0.1:{odd_server(say_nothing)}")

    with taking(1.0), pytest.raises(Unavailable):
        UpstreamClient().post("odd", "/", {}, CallOptions(timeout=1.0))


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate of shop.test counts as one of an authority."""
    context = network.tls_context.__wrapped__()
    context.load_verify_locations(TLS / "shop.test.cert.pem")
    monkeypatch.setattr(network, "tls_context", lambda: context)


def over_tls(treat: Any) -> Any:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "shop.test.pem")

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError), context.wrap_socket(peer, server_side=True) as inside:
            treat(inside)

    return serve


def test_tls_is_verified_for_the_name_that_was_asked_for(
    connection: Any, odd_server: Any, names: Any, trusted: None
) -> None:
    port = odd_server(over_tls(Hanging(0)))
    names.of = {"shop.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
    add(connection, f"https://shop.test:{port}", "shop")
    add(connection, f"https://other.test:{port}", "other")

    assert UpstreamClient().get("shop", "/").text == "ok"
    with pytest.raises(Unavailable, match="certificate"):
        UpstreamClient().post("other", "/", {})


def test_an_answer_byte_by_byte_inside_tls_ends_with_the_call(
    connection: Any, odd_server: Any, names: Any, trusted: None
) -> None:
    names.of["shop.test"] = ["127.0.0.1"]
    add(connection, f"https://shop.test:{odd_server(over_tls(drop_by_drop))}", spacing="1 ms")

    with taking(1.0), pytest.raises(Unavailable, match="in time"):
        UpstreamClient().get("odd", "/", CallOptions(timeout=1.0))


def test_a_server_that_reads_nothing_ends_with_the_call(connection: Any, odd_server: Any) -> None:
    over = threading.Event()

    def treat(peer: socket.socket) -> None:
        with peer:
            over.wait(30)

    add(connection, f"http://127.0.0.1:{odd_server(treat)}")
    try:
        with taking(1.0), pytest.raises(Unavailable, match="the response was not complete in time"):
            UpstreamClient().post("odd", "/", "x" * 30_000_000, CallOptions(timeout=1.0))
    finally:
        over.set()


def test_calls_in_many_threads_end_each_at_its_own_time(connection: Any, odd_server: Any) -> None:
    add(connection, f"http://127.0.0.1:{odd_server(drop_by_drop)}", "drops", concurrency=50)
    add(connection, f"http://127.0.0.1:{odd_server(Hanging(0))}", "good", concurrency=50)
    wrong: list[Any] = []

    def call(number: int) -> None:
        seconds = 0.5 + 0.25 * (number % 4)
        began = time.monotonic()
        with suppress(Unavailable):
            wrong.append(UpstreamClient().post("drops", "/", {}, CallOptions(timeout=seconds)))
        if not seconds - 0.01 <= time.monotonic() - began < seconds + 2.5:
            wrong.append((seconds, time.monotonic() - began))
        if UpstreamClient().get("good", "/").text != "ok":
            wrong.append("good")

    threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert wrong == []


@pytest.mark.parametrize("drip", [b"2", b"220-hello\r\n"], ids=["bytes", "lines"])
def test_a_mail_server_that_goes_on_greeting_ends_with_the_call(
    database: Any, odd_server: Any, drip: bytes
) -> None:
    from tasks.watches.adapters import by_email

    def treat(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while True:
                peer.sendall(drip)
                threading.Event().wait(0.05)

    address = f"smtp://127.0.0.1:{odd_server(treat)}"
    with (
        taking(1.0),
        pytest.raises((OSError, SMTPException), match="in time|timed out"),
        deadline.until(time.monotonic() + 1.0),
    ):
        by_email._deliver(address, None, EmailMessage())


def test_nothing_in_the_workers_waits_for_an_alarm() -> None:
    texts = [path.read_text() for path in (ROOT / "workers").rglob("*.py")]
    assert not [text for text in texts if "setitimer" in text or "SIGALRM" in text]
