"""Who may: logging in and out, sessions, tokens, and what a request must look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.support.console import PASSWORD, Console


def test_nothing_but_live_and_ready_answers_without_a_login(console: Console) -> None:
    client = console.client()

    assert (client.get("/live").text, client.get("/ready").text) == ("live\n", "ready\n")
    assert [client.head(path).status_code for path in ("/live", "/ready", "/events")] == [200, 200, 405]
    page = client.get("/?x=1")
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/%3Fx%3D1")
    asked = client.get("/api/v1/me")
    assert (asked.status_code, asked.headers["content-type"]) == (401, "application/problem+json")
    assert asked.headers["www-authenticate"] == "Bearer"


def test_a_person_logs_in_with_a_password_and_out_again(console: Console) -> None:
    name, client = console.person(), console.client()

    answer = client.post("/login", data={"name": name, "password": PASSWORD, "next": "/account"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/account").status_code == 200
    stolen = dict(client.cookies)
    assert client.post("/logout").status_code == 303

    thief = console.client()
    thief.cookies.update(stolen)
    assert thief.get("/account").status_code == 303


def test_a_login_goes_on_to_no_other_site(console: Console) -> None:
    name = console.person()
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"):
        answer = console.client().post(
            "/login", data={"name": name, "password": PASSWORD, "next": elsewhere}
        )
        assert answer.headers["location"] == "/"


def test_a_new_password_or_role_ends_sessions(console: Console, connection: Any) -> None:
    for change in ("role = 'viewer'", "password = null", "disabled = true"):
        client = console.as_()
        assert client.get("/account").status_code == 200
        connection.execute(
            f"update console.person set {change} where name = %s",
            (client.person,),  # type: ignore[attr-defined]
        )
        assert client.get("/account").status_code == 303


def test_a_token_never_exceeds_its_person_and_counts_under_the_api_alone(
    console: Console, connection: Any
) -> None:
    viewer = console.person("viewer")
    api = console.api("operator", person=viewer)

    assert api.get("/me").json() == {"name": viewer, "role": "viewer"}
    assert api.get(f"{console.url}/account").status_code == 303
    connection.execute("update console.api_token set expires_at = clock_timestamp()")
    assert api.get("/me").status_code == 401


def test_viewers_operators_and_the_service_cannot_read_people(
    login: Callable[[str], str], database: Any
) -> None:
    for url in (login("viewer"), login("operator"), database.url):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from console.session")


def test_the_consoles_login_is_a_member_of_viewer_and_operator_and_inherits_nothing(
    connection: Any,
) -> None:
    row = connection.execute(
        "select rolinherit, rolsuper, array(select r.rolname::text from pg_auth_members m"
        " join pg_roles r on r.oid = m.roleid where m.member = c.oid order by 1) as member_of"
        " from pg_roles c where rolname = 'console'"
    ).fetchone()

    assert row == {"rolinherit": False, "rolsuper": False, "member_of": ["operator", "viewer"]}


def test_the_actor_is_believed_from_programs_of_ours_alone(
    login: Callable[[str], str], postgres_server: Any, database: Any
) -> None:
    def actor(url: str, *, role: str | None = None) -> str:
        with psycopg.connect(url) as connection:
            connection.execute("select set_config('app.actor', 'mallory', false)")
            if role:
                connection.execute(f"set local role {role}")
            row = connection.execute("select actor()").fetchone()
        assert row is not None
        return str(row[0])

    assert actor(login("operator")).startswith("alice_")
    assert actor(login("viewer")).startswith("alice_")
    assert actor(login("owner")) == "mallory"
    assert actor(database.url) == "mallory"
    assert actor(postgres_server.login("console", database.name), role="operator") == "mallory"


def test_a_table_of_the_same_name_makes_nobody_believed(login: Callable[[str], str]) -> None:
    with psycopg.connect(login("operator")) as connection:
        connection.execute("create temporary table schedule (name text)")
        connection.execute("select set_config('app.actor', 'mallory', false)")
        row = connection.execute("select actor()").fetchone()

    assert row is not None
    assert row[0] != "mallory"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
    ],
)
def test_a_write_from_another_site_is_refused_and_logged(
    console: Console, headers: dict[str, str]
) -> None:
    client = console.as_()
    with capture_logs() as lines:
        answer = client.post("/logout", headers=headers)

    assert answer.status_code == 403
    assert client.get("/account").status_code == 200
    assert [line["why"] for line in lines] == ["cross-site write"]


def test_a_browser_without_sec_fetch_site_is_known_by_the_origin(console: Console) -> None:
    import httpx2

    session = console.as_()
    with httpx2.Client(base_url=console.url, cookies=session.cookies) as old:
        assert old.post("/logout", headers={"origin": "https://evil.example"}).status_code == 403
        assert old.post("/logout").status_code == 403
        own = console.url.replace("127.0.0.1", "localhost")
        assert old.post("/logout", headers={"origin": own}).status_code == 303


def test_a_foreign_host_is_refused(console: Console) -> None:
    assert console.client().get("/", headers={"host": "evil.example"}).status_code == 421


def test_every_response_carries_the_policy(console: Console) -> None:
    for path in ("/live", "/login", "/nothing-here", "/api/v1/me", "/static/nothing"):
        headers = console.client().get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_five_failures_then_one_try_a_minute_for_that_name_and_address_alone(
    new_console: Any, connection: Any
) -> None:
    from ipaddress import ip_network

    console = new_console(proxies=(ip_network("127.0.0.0/8"),))
    name = console.person()

    def try_(password: str, address: str = "198.51.100.7") -> int:
        return int(
            console.client()
            .post(
                "/login",
                data={"name": name, "password": password},
                headers={"x-forwarded-for": f"203.0.113.9, {address}"},
            )
            .status_code
        )

    assert [try_("wrong password") for _ in range(6)] == [403] * 5 + [429]
    assert try_(PASSWORD) == 429
    assert try_(PASSWORD, "198.51.100.8") == 303
    connection.execute("update console.login_attempt set tried_at = tried_at - interval '61 seconds'")
    assert try_("wrong password") == 403
    assert try_(PASSWORD) == 429
    connection.execute("update console.login_attempt set tried_at = tried_at - interval '61 seconds'")
    assert try_(PASSWORD) == 303


def test_forwarded_for_is_not_believed_from_a_stranger(console: Console, connection: Any) -> None:
    console.client().post(
        "/login", data={"name": "x", "password": "y"}, headers={"x-forwarded-for": "198.51.100.7"}
    )

    row = connection.execute("select address from console.login_attempt").fetchone()
    assert row == {"address": "127.0.0.1"}


def test_a_login_link_works_once_by_its_button(console: Console, connection: Any) -> None:
    from console.security.credentials import new_secret

    name = console.person()
    secret, hashed = new_secret()
    connection.execute(
        "insert into console.login_link values (%s, %s, clock_timestamp() + interval '10 minutes')",
        (hashed, name),
    )
    client = console.client()
    assert client.get(f"/link/{secret}").status_code == 200
    assert client.get("/account").status_code == 303
    assert client.post(f"/link/{secret}").status_code == 303
    assert client.get("/account").status_code == 200
    assert console.client().post(f"/link/{secret}").status_code == 403


def test_a_great_body_is_refused(console: Console) -> None:
    answer = console.client().post("/login", data={"name": "x" * 1_100_000, "password": "y"})

    assert answer.status_code == 413


def test_over_tls_the_cookie_is_bound_to_the_host(new_console: Any) -> None:
    console = new_console(url="https://watch.example.org")
    answer = console.client(host="watch.example.org").post(
        "/login", data={"name": console.person(), "password": PASSWORD}
    )

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-watchkeeper=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]
