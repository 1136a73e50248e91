"""The terminal output of ``run``: addresses, three commands to try, runs as they end."""

import contextlib
import shlex
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape

from sandbox import web
from sandbox.demo import NAMES
from sandbox.environment import MAILBOX, Environment
from workers.installation import domains
from workers.text.cleaning import printable
from workers.text.statements import statements

_SQL = statements(__file__)
GLYPHS = {
    "succeeded": "[green]✔[/]", "partial": "[yellow]◐[/]", "failed": "[red]✘[/]",
    "stopped": "[yellow]■[/]", "skipped": "–", "missed": "–", "expired": "–",
}  # fmt: skip


def welcome(console: Console, environment: Environment) -> None:
    """Addresses, the console first; then what to try, as it works in any directory of any terminal."""
    data = environment.data
    names = ("watchkeeper", "psql", "env", "link")
    watchkeeper, psql, env, link = (shlex.quote(str(data / name)) for name in names)
    for line in (
        "",
        "[bold]Watchkeeper is up.[/]  Ctrl-C ends it; the data is kept (--fresh starts over).",
        f"  Console  {web.login_link(environment)}",
        f"  link     {escape(link)}  (prints another: each logs in once, within ten minutes)",
        f"  Flower   http://127.0.0.1:{environment.ports['flower']}",
        f"  psql     {escape(psql)}",
        f"  shell    {escape(f'. {env}')}  (then watchkeeper, psql and celery are on the path)",
        f"  logs     {escape(str(data / 'logs'))}",
        f"  mailbox  {escape(str(data / MAILBOX))}  (matches of the rule demo-rule)",
        "[bold]Try[/] in another terminal:",
        *(f"  {escape(command)}" for command in to_try(watchkeeper, psql)),
        "",
    ):
        console.print(line)


def to_try(watchkeeper: str, psql: str) -> tuple[str, ...]:
    return (
        f"{watchkeeper} schedule status",
        f"{watchkeeper} schedule run prices-demo",
        f"{psql} -c \"UPDATE schedule SET every = '10 seconds' WHERE name = 'listings-demo'\"",
    )


class Runs:
    """Ended runs and sent messages, read over one connection that is reopened when it breaks."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._shown: dict[UUID, None] = {}
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._since: Any = None
        self.green: set[str] = set()
        self._sent: dict[UUID, None] = {}

    def fresh(self) -> list[dict[str, Any]]:
        """Runs that ended since the last read; none while Postgres is unreachable."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._url(), autocommit=True, row_factory=dict_row, connect_timeout=3
                )
            if self._since is None:
                row = self._connection.execute("select clock_timestamp() as now").fetchone()
                self._since = row["now"] if row else None
            found = self._connection.execute(_SQL["ended"], (self._since,)).fetchall()
        except psycopg.Error:
            self.close()
            return []
        new = [row for row in found if row["id"] not in self._shown]
        for row in new:
            self._shown[row["id"]] = None
            self._since = row["finished_at"]
            if row["state"] == "succeeded":
                self.green.add(row["name"])
        return new

    def sent(self) -> list[dict[str, Any]]:
        found = self._read(_SQL["sent"], (self._since,))
        new = [row for row in found if row["message_id"] not in self._sent]
        self._sent |= {row["message_id"]: None for row in new}
        return new

    def undrawn(self) -> list[str]:
        """What needs a browser and has no workers for it, also what waits for one from before."""
        found = self._read(domains.undrawn()) or self._read(_SQL["left_to_browsers"])
        return [row["name"] for row in found]

    def _read(self, query: str, values: tuple[Any, ...] | None = None) -> list[dict[str, Any]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(query.encode(), values).fetchall()
        except psycopg.Error:
            return []

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @property
    def missing(self) -> list[str]:
        return sorted(set(NAMES) - self.green)

    def reasons(self) -> list[str]:
        try:
            with psycopg.connect(self._url(), row_factory=dict_row, connect_timeout=3) as connection:
                rows = connection.execute(_SQL["not_green"], (self.missing,)).fetchall()
        except psycopg.Error as error:
            return [f"Postgres does not answer: {error}"]
        return [f"{row['name']}: {row['state']} {row['summary']}" for row in rows] or ["no run began"]


def notice(row: dict[str, Any]) -> str:
    more = f" and {row['number'] - 1} more" if row["number"] > 1 else ""
    return f"          [cyan]✉[/] {row['rule']:<16} {escape(printable(row['title']))}{more} → {row['channel']}"


def line(row: dict[str, Any]) -> str:
    took = f"{row['seconds']:.1f} s" if row["seconds"] is not None else ""
    at = row["finished_at"].astimezone().strftime("%H:%M:%S")
    times = f"{row['times']} × " if row.get("times", 1) > 1 else ""
    summary = times + escape(printable(" ".join((row["summary"] or "").split())))
    return f"{at}  {GLYPHS.get(row['state'], row['state'])} {escape(printable(row['name'])):<16} {summary}  [dim]{took}[/]"
