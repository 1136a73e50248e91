"""The parts of a sandbox that browsers reach: Flower and the console."""

import os
import sys
import urllib.request
from http.client import HTTPException
from typing import Any, Protocol

import psycopg

from console.security.credentials import new_secret
from sandbox.places import DEPLOY
from sandbox.postgres import PostgresServer
from workers.cli.database import readable_errors

#: Whom the console's link logs in.
OPERATOR = "you"
#: Neither reaches the database as libpq's variables say.
_NO_LOGIN = {"PGUSER": "", "PGPASSWORD": ""}
_PERSON = "insert into console.person (name, role) values (%s, 'operator') on conflict do nothing"
_LINK = "insert into console.login_link values (%s, %s, clock_timestamp() + interval '10 minutes')"


class Environment(Protocol):
    ports: dict[str, int]
    postgres: PostgresServer

    def launch(self, *args: Any, **settings: Any) -> None: ...


#: What is on this machine is not reached through a proxy that the environment names.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def launch_flower(environment: Environment, command: list[str], stage: int) -> None:
    """Start Flower, which needs no database."""
    port = environment.ports["flower"]
    environment.launch(
        "flower",
        [
            *command,
            "flower",
            f"--conf={DEPLOY / 'flowerconfig.py'}",
            "--address=127.0.0.1",
            f"--port={port}",
        ],
        lambda: answers(f"http://127.0.0.1:{port}/healthcheck"),
        stage,
        grace=0.8,
        settings={"WATCHKEEPER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", **_NO_LOGIN},
    )


def launch_console(environment: Environment, stage: int) -> None:
    port = environment.ports["console"]
    environment.launch(
        "console",
        [sys.executable, "-m", "sandbox.breaking", f"--port={port}"],
        lambda: answers(f"http://127.0.0.1:{port}/ready"),
        stage,
        grace=2.0,
        settings={
            "WATCHKEEPER_DATABASE_URL": environment.postgres.login("console"),
            "WATCHKEEPER_CONSOLE_FLOWER_URL": f"http://127.0.0.1:{environment.ports['flower']}",
            **_NO_LOGIN,
        },
    )


def login_link(environment: Environment) -> str:
    return new_link(environment.postgres.login("owner"), console_url(environment))


def console_url(environment: Environment) -> str:
    return f"http://127.0.0.1:{environment.ports['console']}"


def new_link(database: str, console: str) -> str:
    """An address that logs in to the console once, within ten minutes."""
    secret, hashed = new_secret()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_PERSON, (OPERATOR,))
        connection.execute(_LINK, (hashed, OPERATOR))
    return f"{console}/link/{secret}"


if __name__ == "__main__":
    with readable_errors():
        print(new_link(os.environ["WATCHKEEPER_DATABASE_URL"], sys.argv[1]))
