"""One calm screen: what is up, where, each run as it ends, three things to try."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from rich.console import Console

from sandbox.demo import NAMES
from sandbox.house import House

GLYPHS = {
    "succeeded": "[green]✔[/]", "partial": "[yellow]◐[/]", "failed": "[red]✘[/]",
    "stopped": "[yellow]■[/]", "skipped": "–", "missed": "–", "expired": "–",
}  # fmt: skip

ENDED = """
select id, coalesce(schedule, task) as name, state, coalesce(error, reason, result->>'summary') as summary,
       extract(epoch from finished_at - coalesce(started_at, created_at))::float8 as seconds, finished_at
  from run where finished_at is not null and finished_at > %s::timestamptz - interval '5 seconds'
 order by finished_at limit 200
"""


def welcome(console: Console, house: House) -> None:
    """Where to look and what to try."""
    psql = house.postgres.psql or "psql"
    env = house.env
    address = f"postgresql://{env['PGUSER']}:{env['PGPASSWORD']}@127.0.0.1:{env['PGPORT']}/{env['PGDATABASE']}"
    flower = f"http://127.0.0.1:{house.ports['flower']}"
    console.print()
    console.print(
        "[bold]Watchkeeper is up.[/]  Ctrl-C ends it; the data is kept (--fresh starts over)."
    )
    console.print(f"  Flower   {flower}")
    console.print(f"  psql     {psql} {address}", soft_wrap=True, highlight=False)
    console.print(f"  logs     {house.data / 'logs'}", soft_wrap=True, highlight=False)
    console.print("[bold]Try[/]")
    console.print(
        "  1  UPDATE schedule SET every = '10 seconds' WHERE name = 'listings-demo';   -- in psql"
    )
    console.print(f"  2  export WATCHKEEPER_DATABASE_URL={address} WATCHKEEPER_BROKER_URL={house.valkey.url}",
                  soft_wrap=True, highlight=False)  # fmt: skip
    console.print("     .venv/bin/celery -A workers.app schedule list", highlight=False)
    console.print(
        '  3  .venv/bin/celery -A workers.app call tasks.prices.refresh --kwargs \'{"symbols":["AAPL"]}\'',
        highlight=False,
    )
    console.print()


class Runs:
    """Runs as they end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown: set[UUID] = set()
        self._since = "-infinity"
        self.green: set[str] = set()

    def fresh(self) -> list[dict[str, Any]]:
        """Runs that ended since the last look; nothing while Postgres is away."""
        try:
            with psycopg.connect(self._url, row_factory=dict_row, connect_timeout=3) as connection:
                if self._since == "-infinity":
                    row = connection.execute("select clock_timestamp()::text as now").fetchone()
                    self._since = row["now"] if row else self._since
                found = connection.execute(ENDED, (self._since,)).fetchall()
        except psycopg.Error:
            return []
        new = [row for row in found if row["id"] not in self._shown]
        for row in new:
            self._shown.add(row["id"])
            self._since = str(row["finished_at"])
            if row["state"] == "succeeded":
                self.green.add(row["name"])
        return new

    @property
    def all_green(self) -> bool:
        """Whether each demo schedule has a succeeded run."""
        return self.green.issuperset(NAMES)


def line(row: dict[str, Any]) -> str:
    """One run as a line."""
    took = f"{row['seconds']:.1f} s" if row["seconds"] is not None else ""
    at = row["finished_at"].strftime("%H:%M:%S")
    summary = (row["summary"] or "").replace("[", "\\[")
    return f"{at}  {GLYPHS.get(row['state'], row['state'])} {row['name']:<16} {summary}  [dim]{took}[/]"
