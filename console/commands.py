"""`celery -A workers.app console`: serve the console; `… console person …`: who may log in."""

import sys

import click

from workers.cli import NOT_FOUND, Group, as_json, connect, fail, show, tell
from workers.text.statements import statements

_SQL = statements(__file__)


@click.group(cls=Group, invoke_without_command=True)
@click.option("--bind", help="address to listen on (setting: WATCHKEEPER_CONSOLE_BIND)")
@click.option("--port", type=click.IntRange(1, 65535), help="(setting: WATCHKEEPER_CONSOLE_PORT)")
@click.pass_context
def console(context: click.Context, bind: str | None, port: int | None) -> None:
    """Serve the console's pages and API until it is stopped."""
    if context.invoked_subcommand is None:
        from console.app import serve

        sys.exit(serve(bind, port))


@console.group(cls=Group)
def person() -> None:
    """People who may log in to the console; needs the owner's login in WATCHKEEPER_DATABASE_URL."""


def _write(statement: str, *given: object) -> None:
    """Write to the row of the person who is named last."""
    with connect() as connection:
        if connection.execute(_SQL[statement].encode(), given).rowcount == 0:
            fail(f'no person named "{given[-1]}"', "watchkeeper console person list", NOT_FOUND)


_role = click.Choice(["viewer", "operator"])


def _password() -> str:
    """From the terminal, twice; else the first line of the input."""
    from console.security import passwords

    if sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    try:
        return passwords.hashed(given)
    except passwords.Weak as weak:
        raise click.UsageError(str(weak)) from weak


@person.command("add")
@click.argument("name")
@click.option("--role", type=_role, default="viewer", show_default=True)
@as_json
def add(name: str, role: str) -> None:
    """Let a person log in; asks for the password, or reads it from the input."""
    _write("add", name, role, _password())
    tell(f"{name} may log in as {role}", name=name, role=role)


@person.command("change")
@click.argument("name")
@click.option("--role", type=_role)
@click.option("--password", "new_password", is_flag=True, help="ask for a new password")
@click.option("--disable/--enable", "disabled", default=None, help="whether anything of theirs counts")
@as_json
def change(name: str, role: str | None, new_password: bool, disabled: bool | None) -> None:
    """Change role or password, or disable; ends the person's sessions."""
    if role is None and not new_password and disabled is None:
        raise click.UsageError("nothing to change: give --role, --password, --disable or --enable")
    _write("change", role, _password() if new_password else None, disabled, name)
    tell(f"{name} changed; sessions ended", name=name)


@person.command("remove")
@click.argument("name")
@as_json
def remove(name: str) -> None:
    """Remove a person with sessions and tokens; the audit keeps the name."""
    _write("remove", name)
    tell(f"{name} removed", removed=name)


@person.command("list")
@as_json
def list_() -> None:
    """Who may log in, and when they last did something."""
    with connect() as connection:
        found = connection.execute(_SQL["list"].encode()).fetchall()
    show(found, ("name", "role", "disabled", "sessions", "tokens", "seen_at"))
