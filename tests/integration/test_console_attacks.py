"""Attacks on the console: each is refused and logged, changes nothing, and holds up nobody else."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from console.app import create_app
from console.config import Config
from console.security import passwords
from tests.support.console import PASSWORD, Console

pytestmark = pytest.mark.timeout(300)
NOBODY = Config("postgresql://nobody@127.0.0.1:1/none")
VALUES = {
    "table": "rule", "number": "1", "run": "7f0e4f1e-4a85-4b7e-9d6e-1d8f4b7a9b11", "operation": "7f0e4f1e-4a85-4b7e-9d6e-1d8f4b7a9b11",
    "action": "pause", "key": "mine", "secret": "x" * 43,
}  # fmt: skip
#: What anybody who is logged in may do about themselves, and what only looks.
OWN = re.compile(r"/(login|logout|link/.*|account/.*)$|/preview(/next)?$")
OWNED = """
select count(*) as changes, (select count(*) from run_request) as asked from change where table_name <> 'person'
"""


@cache
def writes() -> list[tuple[str, str]]:
    """Method and path of every route that may change something, with names filled in."""
    found = []
    for included in create_app(NOBODY).routes:
        for one in included.effective_route_contexts() if hasattr(included, "original_router") else ():
            path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: VALUES.get(match[1], "mine"), one.path)
            found += [(method, path) for method in one.methods - {"GET", "HEAD"}]
    return sorted(set(found))


@pytest.fixture
def kept(connection: Any) -> Iterator[None]:
    """Something to attack, that must be the same afterwards."""
    connection.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.discovery.discover', '1 hour')"
    )
    before = connection.execute(OWNED).fetchone()
    yield
    assert connection.execute(OWNED).fetchone() == before


def test_the_list_of_writes_holds_those_of_pages_and_api() -> None:
    assert {("POST", "/schedules/mine/pause"), ("PATCH", "/api/v1/schedules/mine"), ("POST", "/budgets/mine/unblock"),
            ("DELETE", "/api/v1/tables/rule/mine"), ("POST", "/schedules/_bulk")} <= set(writes())  # fmt: skip
    assert len(writes()) > 40


def test_no_write_comes_from_another_site(console: Console, kept: None) -> None:
    client = console.as_()
    headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    with capture_logs() as lines:
        for method, path in writes():
            assert client.request(method, path, headers=headers, json={}).status_code == 403, path

    assert [line["why"] for line in lines if line["event"] == "request.refused"] == [
        "cross-site write"
    ] * len(writes())
    assert client.get("/account").status_code == 200


def test_a_viewer_writes_nothing_anywhere(console: Console, kept: None) -> None:
    page, program = console.as_("viewer"), console.token("viewer")
    form = {"why": "x", "reason": "x", "name": "mine", "action": "pause", "task": "tasks.discovery.discover", "per": "1 minute",
            "calls": "1", "every": "2 hours", "timing": "every", "new_name": "other", "expression": "price > 1"}  # fmt: skip
    bodies: dict[str, Any] = {
        "/api/v1/schedules": {"name": "new", "task": "tasks.discovery.discover", "every": "1 hour"},
        "/api/v1/schedules/mine": {"note": "x"}, "/api/v1/schedules/mine/copy": {"name": "copy"},
        "/api/v1/bulk": {"names": ["mine"], "action": "pause"},
        "/api/v1/schedules/mine/backfill": {"first": "2026-01-01T00:00Z", "last": "2026-01-01T02:00Z", "dry_run": False},
    }  # fmt: skip
    with capture_logs() as lines:
        for method, path in writes():
            if OWN.search(path) or path.endswith(f"{VALUES['operation']}/resume"):
                continue  # the latter finds nothing to resume
            if path.startswith("/api/"):
                headers = {"authorization": f"Bearer {program}", "if-match": "*"}
                answer = httpx2.request(
                    method, console.url + path, json=bodies.get(path, {}), headers=headers
                )
                done = path == "/api/v1/runs/retry" or answer.status_code >= 400
            else:
                answer = page.request(method, path, data=form)
                done = answer.status_code >= 400
            assert done, (method, path, answer.status_code, answer.text[:300])

    assert sum(line.get("status") == 403 for line in lines) > 15


def test_nothing_is_left_of_a_session_after_logout_or_of_an_expired_token(
    console: Console, connection: Any, kept: None
) -> None:
    client = console.as_()
    stolen = dict(client.cookies)
    assert client.post("/logout").status_code == 303
    token = console.token()
    connection.execute("update console.api_token set expires_at = created_at")
    thief = console.client()
    thief.cookies.update(stolen)
    with capture_logs() as lines:
        for method, path in writes():
            if path.startswith("/api/"):
                headers = {"authorization": f"Bearer {token}", "if-match": "*"}
                answer = httpx2.request(method, console.url + path, json={}, headers=headers)
                assert answer.status_code in {401, 422}, (path, answer.text)
            elif not path.startswith(("/login", "/link", "/logout")):
                answer = thief.request(method, path, data={"why": "x"})
                assert (answer.status_code, answer.headers.get("location")) == (303, "/login"), path

    assert sum(line["event"] == "login.not_accepted" for line in lines) > 40


def test_a_forged_actor_is_not_believed(
    console: Console, connection: Any, postgres_server: Any, database: Any
) -> None:
    import psycopg

    with psycopg.connect(postgres_server.login("operator", database.name), autocommit=True) as operator:
        operator.execute("set app.actor = 'boss'")
        operator.execute(
            "insert into schedule (name, task, every) values ('forged', 'tasks.discovery.discover', '1 hour')"
        )
    answer = console.api().post(
        "/schedules", json={"name": "mine", "task": "tasks.discovery.discover", "every": "1 hour", "updated_by": "boss"},
        headers={"x-actor": "boss", "x-forwarded-user": "boss"},
    )  # fmt: skip

    assert answer.status_code in {201, 422}
    told = connection.execute(
        "select count(*) as number from change where changed_by = 'boss'"
    ).fetchone()
    assert told["number"] == 0


def test_great_bodies_are_refused_with_a_length_and_without(console: Console, kept: None) -> None:
    token = {"authorization": f"Bearer {console.token()}", "content-type": "application/json"}

    def pieces() -> Iterator[bytes]:
        yield b'{"name": "'
        for _ in range(150):
            yield b"x" * 10_000

    with capture_logs() as lines:
        for content in (b"x" * 1_100_000, pieces()):
            answer = httpx2.post(f"{console.url}/api/v1/schedules", content=content, headers=token)
            assert answer.status_code == 413
    assert len([line for line in lines if line["event"] == "request.refused"]) == 2


def test_a_thousand_bad_logins_hold_up_nobody_and_two_passwords_are_computed_at_a_time(
    new_console: Any, connection: Any, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = new_console(proxies=(ip_network("127.0.0.0/8"),))
    names = [console.person() for _ in range(4)] + ["nobody", "x" * 5000]
    client = console.as_()
    real, lock, at_once, most = hashlib.scrypt, threading.Lock(), 0, 0

    def counted(*args: Any, **given: Any) -> bytes:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return real(*args, **given)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(passwords.hashlib, "scrypt", counted)

    def bad(number: int) -> int:
        with console.client() as browser:
            answer = browser.post(
                "/login", data={"name": names[number % len(names)], "password": f"wrong {number}"},
                headers={"x-forwarded-for": "198.51.100.7"}, timeout=120,
            )  # fmt: skip
            return int(answer.status_code)

    with capture_logs() as lines, ThreadPoolExecutor(20) as attackers:
        tries = [attackers.submit(bad, number) for number in range(1000)]
        while not all(one.done() for one in tries):
            assert client.get("/api/v1/me").status_code == 200
        found = {one.result() for one in tries}

    assert found == {403, 429}
    assert most == 2
    said = [line["event"] for line in lines]
    assert said.count("login.failed") >= 5
    assert (
        sum(said.count(event) for event in ("login.failed", "login.delayed", "request.refused")) >= 1000
    )
    assert (
        connection.execute("select count(*) as number from console.session").fetchone()["number"] == 1
    )
    good = console.client().post(
        "/login",
        data={"name": names[0], "password": PASSWORD},
        headers={"x-forwarded-for": "198.51.100.8"},
    )
    assert good.status_code == 303
