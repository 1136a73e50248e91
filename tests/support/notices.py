"""People to tell: a Discord-shaped webhook and a mailbox on loopback, each with a channel."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.ports import free_ports
from sandbox.processes import wait_until
from tests.support.forked import IMITATION, Forked
from tests.support.processes import Imitation, is_up

HOOK = "https://discord.com/api/webhooks/123/a-token-nobody-may-see"


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[tuple[int, str, Path]]:
    """An SMTP server: its port, the address of its control, its mailbox."""
    ports, box = free_ports(["smtp", "control"]), tmp_path / "mbox"
    process = Forked(
        [IMITATION, "smtp", "--port", str(ports["smtp"]),
         "--control-port", str(ports["control"]), "--mailbox", str(box)],
        log=tmp_path / "smtp.log",
    )  # fmt: skip
    process.start()
    try:
        control = f"http://127.0.0.1:{ports['control']}"
        wait_until(lambda: is_up(f"{control}/_ready"), process, "smtp", 30.0)
        yield ports["smtp"], control, box
    finally:
        process.stop(grace=3.0)


class Channels:
    """Channels of one database."""

    def __init__(self, database: Any, discord: str, smtp: str) -> None:
        self.sql: psycopg.Connection[dict[str, Any]] = database.connect()
        for name, url in (("discord", discord), ("smtp", smtp)):
            self.sql.execute(
                "insert into upstream (name, base_url, concurrency) values (%s, %s, 2)"
                " on conflict (name) do update set base_url = excluded.base_url", (name, url),
            )  # fmt: skip
        self.sql.execute("delete from quota where upstream in ('discord', 'smtp')")
        self.sql.execute(
            "insert into schedule (name, task, every, overlap) values"
            " ('send-notices', 'tasks.watches.send', '1 hour', 'allow_all')"
        )

    def channel(self, kind: str, name: str | None = None, **columns: Any) -> None:
        target = {
            "discord": "env:WATCHKEEPER_CHANNEL_TEST",
            "email": "ann@example.org, ben@example.org",
        }[kind]
        upstream = {"discord": "discord", "email": "smtp"}[kind]
        row = {"name": name or kind, "kind": kind, "target": target, "upstream": upstream, **columns}
        self.insert("channel", row)

    def rule(self, name: str, expression: str, **columns: Any) -> None:
        self.insert("rule", {"name": name, "expression": expression, **columns})

    def insert(self, table: str, row: dict[str, Any]) -> None:
        values = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
        columns, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
        self.sql.execute(f"insert into {table} ({columns}) values ({marks})", values)

    def one(self, query: str, *values: Any) -> dict[str, Any]:
        row = self.sql.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.sql.execute(query, values).fetchall()


class People(Channels):
    """Channels of one database, what reached them, and the sender run by hand."""

    def __init__(self, database: Any, discord: Imitation, mail: tuple[int, str, Path]) -> None:
        super().__init__(database, discord.url, f"smtp://127.0.0.1:{mail[0]}")
        self.discord_server = discord
        self._mail = mail

    def send(self) -> dict[str, Any]:
        """One run of the sender, all its batches; the row of `run`."""
        from workers.app import app

        app.loader.import_default_modules()
        task, run_id = app.tasks["tasks.watches.send"], uuid.uuid4()
        task.apply(task_id=str(run_id))
        ready = (
            "select seq from batch where run_id = %s and state in ('waiting', 'sent') and waiting_for is null"
            " and coalesce(not_before, '-infinity') <= clock_timestamp() order by seq"
        )
        while batch := self.sql.execute(ready, (run_id,)).fetchone():
            task.apply(args=(str(run_id), batch["seq"]), task_id=str(uuid.uuid4()))
        return self.one("select * from run where id = %s", run_id)

    def states(self) -> dict[str, list[str]]:
        """States of notices by channel."""
        rows = self.all("select channel, array_agg(state order by id) as states from notice group by 1")
        return {row["channel"]: row["states"] for row in rows}

    def in_discord(self) -> list[Any]:
        return [one["message"] for one in self.discord_server.get("/_messages")]

    def in_mailbox(self) -> list[dict[str, Any]]:
        import urllib.request

        with urllib.request.urlopen(f"{self._mail[1]}/_messages", timeout=10) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def now(self) -> None:
        """Let what waits for a later try be due."""
        self.sql.execute(
            "update notice set not_before = clock_timestamp() where state in ('waiting', 'sending')"
        )
        self.sql.execute(
            "update upstream_state set blocked_until = null, failures = 0, next_permit_at = clock_timestamp()"
        )


@pytest.fixture
def channels(database: Any) -> Iterator[Channels]:
    """For tests that send nothing: no servers are started."""
    found = Channels(database, "http://127.0.0.1:9", "smtp://127.0.0.1:9")
    yield found
    found.sql.close()


@pytest.fixture
def people(
    database: Any,
    imitation: Callable[..., Imitation],
    mail: tuple[int, str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[People]:
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_TEST", HOOK)
    found = People(database, imitation("discord"), mail)
    yield found
    found.sql.close()
