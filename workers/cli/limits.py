"""`watchkeeper upstream …`: limits of other people's servers, what is used of them, blocks."""

from typing import Any

import click

from workers.cli import completion
from workers.cli.commands import Group, as_json, dry_run
from workers.cli.database import connect, read
from workers.cli.output import cell, show, tell
from workers.text.statements import statements

_SQL = statements(__file__)
COLUMNS = (
    "upstream", "per", "used", "allowed", "share", "resets", "waiting", "unblocks",
    "blocked_because",
)  # fmt: skip
DROP = ("share", "resets", "waiting", "blocked_because")
BEFORE = "select rate_words(calls, per) as rate from quota where upstream = %(name)s and per = %(per)s"

names = completion.of(
    "upstream",
    "select name, case when enabled then base_url else 'disabled' end from upstream order by name",
)
name_argument = click.argument("name", shell_complete=names)
note = click.option("--note", help="reason")


@click.group(cls=Group)
def upstream() -> None:
    """Limits of other servers: how much is used, who waits, what is blocked."""


@upstream.command("list")
@as_json
def list_() -> None:
    """Every limit, how much of it is used, and who is blocked until when; problems first."""
    show(
        read(_SQL["list"]), COLUMNS, drop=DROP, empty="no upstream yet: each is a row of table upstream"
    )


@upstream.command("limit")
@name_argument
@click.option("--calls", required=True, type=int, help="at most so many calls …")
@click.option("--per", required=True, help="… in any window of this length, e.g. 1m, 1d, '1 minute'")
@note
@dry_run
@as_json
def limit(name: str, calls: int, per: str, note: str | None, dry_run: bool) -> None:
    """Set how many calls a window may have; other windows of the upstream stay."""
    # As text: Postgres repeats a number that it refuses only when it reads it itself.
    values = {"name": name, "calls": str(calls), "per": per, "note": note}
    with connect() as connection, connection.transaction(force_rollback=dry_run):
        before = connection.execute(BEFORE, values).fetchone()
        rate = connection.execute(_SQL["limit"], values).fetchone()["rate"]
    old = before["rate"] if before else None
    was = "as before" if old == rate else f"instead of {old}" if old else "a new limit"
    tell(
        f"{name} {'would take' if dry_run else 'takes'} {rate}, {was}",
        upstream=name, limit=rate, before=old,
    )  # fmt: skip


@upstream.command("set")
@name_argument
@click.option("--enabled/--disabled", "enabled", default=None, help="whether it is called at all")
@click.option("--concurrency", type=int, help="calls in flight at once")
@click.option("--spacing", help="least time between two calls, e.g. 2s")
@note
@dry_run
@as_json
def set_(name: str, dry_run: bool, **given: Any) -> None:
    """Change how an upstream is called; what is not named stays as it is."""
    changes = {column: value for column, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("nothing to change: give --enabled, --disabled, --concurrency, …")
    sets = ", ".join(f"{column} = %({column})s" for column in changes)
    change = f"update upstream set {sets} where name = %(name)s returning {', '.join(changes)}"  # noqa: S608
    with connect() as connection, connection.transaction(force_rollback=dry_run):
        values = {column: str(value) for column, value in changes.items()}
        row = connection.execute(change, {**values, "name": name}).fetchone()
        if row is None:
            # An unknown name: the database says which there are.
            connection.execute("select unblock(%s)", (name,))
    said = ", ".join(f"{column} is {cell(value)}" for column, value in row.items())
    tell(f"{name}{' would change' if dry_run else ''}: {said}", upstream=name, **row)


@upstream.command("unblock")
@name_argument
@note
@dry_run
@as_json
def unblock(name: str, note: str | None, dry_run: bool) -> None:
    """Lift a block before its time; one call tries first, the others wait for its answer."""
    with connect() as connection, connection.transaction(force_rollback=dry_run):
        said = connection.execute("select unblock(%s, %s) as it", (name, note)).fetchone()["it"]
    tell(
        f"nothing was changed; without --dry-run: {said}" if dry_run else said,
        upstream=name,
        answer=said,
    )
