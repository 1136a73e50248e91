"""The console as a server of its own, and people who are logged in to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import httpx2
import pytest

from console.app import create_app, server_of
from console.config import Config
from console.security import passwords
from console.security.credentials import new_secret
from sandbox.ports import free_port
from tests.support.waiting import wait_for

#: Of every person that tests make.
PASSWORD = "correct horse battery"
#: What a browser adds to a form of our own pages.
OWN = {"sec-fetch-site": "same-origin"}
#: Hashing is slow on purpose.
hashed = cache(passwords.hashed)


class Console:
    """A running console and the database behind it."""

    def __init__(self, url: str, connection: Any, config: Config, app: Any) -> None:
        self.url = url
        self.config = config
        self.app = app
        self._sql = connection
        self._clients: list[httpx2.Client] = []

    def client(self, **headers: str) -> httpx2.Client:
        """A browser that is not logged in; it follows no redirect."""
        # Nothing here is encrypted: reading the authorities' certificates costs 20 ms a client.
        made = httpx2.Client(base_url=self.url, headers={**OWN, **headers}, timeout=30, verify=False)
        self._clients.append(made)
        return made

    def person(self, role: str = "operator", name: str | None = None) -> str:
        """Somebody who may log in with `PASSWORD`."""
        made = name or f"{role}-{uuid.uuid4().hex[:6]}"
        self._sql.execute(
            "insert into console.person (name, role, password) values (%s, %s, %s)",
            (made, role, hashed(PASSWORD)),
        )
        return made

    def as_(self, role: str = "operator", name: str | None = None) -> httpx2.Client:
        """A browser whose person has that role; logged in without the cost of a password."""
        who = self.person(role, name)
        secret, digest = new_secret()
        self._sql.execute(
            "insert into console.session (hash, person, expires_at)"
            " values (%s, %s, clock_timestamp() + interval '1 hour')",
            (digest, who),
        )
        made = self.client()
        made.cookies.set(self.config.cookie, secret)
        made.person = who  # type: ignore[attr-defined]
        return made

    def token(self, role: str = "operator", person: str | None = None) -> str:
        """An API token of somebody with that role."""
        who = person or self.person(role)
        secret, digest = new_secret()
        self._sql.execute(
            "insert into console.api_token (person, title, role, hash, expires_at)"
            " values (%s, 'test', %s, %s, clock_timestamp() + interval '1 day')",
            (who, role, digest),
        )
        return f"wk_{secret}"

    def api(self, role: str = "operator", person: str | None = None) -> httpx2.Client:
        """A program with an API token."""
        made = httpx2.Client(
            base_url=f"{self.url}/api/v1",
            headers={"authorization": f"Bearer {self.token(role, person)}"},
            timeout=30,
            verify=False,
        )
        self._clients.append(made)
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def new_console(
    database: Any, connection: Any, postgres_server: Any, pooler: Any
) -> Iterator[Callable[..., Console]]:
    """``new_console(url="https://…")`` serves the console of this test's database on a free port."""
    ends: list[Callable[[], None]] = []

    def make(**settings: Any) -> Console:
        port = free_port()
        login = postgres_server.login("console", database.name)
        if pooler is not None:
            login = pooler.through(login)
        config = Config(settings.pop("database_url", login), port=port, **settings)
        app = create_app(config)
        server = server_of(app, config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_for(lambda: server.started, 20)
        made = Console(f"http://127.0.0.1:{port}", connection, config, app)

        def end() -> None:
            made.close()
            server.should_exit = True
            thread.join(20)
            with suppress(Exception):
                app.state.database.close()

        ends.append(end)
        return made

    yield make
    for end in ends:
        end()


@pytest.fixture
def console(new_console: Callable[..., Console]) -> Console:
    return new_console()
