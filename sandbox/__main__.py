"""`python -m sandbox run | exec | psql | schema | reset`."""

import os
import sys
from pathlib import Path

import click

from sandbox import folders, places
from sandbox.commands import data_option, demo
from sandbox.processes import NotStarted
from workers.cli.output import INTERRUPTED

#: What follows the options is another program's command line.
WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def sandbox() -> None:
    """The whole system on this machine, with imitation upstreams."""
    # Without byte code, each of a dozen processes would compile a thousand modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@sandbox.command("exec", context_settings=WORDS)
@click.option(
    "--with", "parts", default="", metavar="PARTS", help="also beat=2,worker=1,console,flower"
)
@click.argument("words", metavar="COMMAND", nargs=-1, required=True, type=click.UNPROCESSED)
def execute_(parts: str, words: tuple[str, ...]) -> int:
    """Run one command with servers and upstreams of its own."""
    from sandbox.executing import execute, extras

    try:
        wanted = extras(parts)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return execute(words, wanted)


@sandbox.command("psql", context_settings=WORDS)
@data_option
@click.argument("words", metavar="ARGUMENTS", nargs=-1, type=click.UNPROCESSED)
def psql_(data: Path | None, words: tuple[str, ...]) -> int:
    """Run psql on the running sandbox, else on a temporary one."""
    from sandbox.executing import psql

    return psql(places.data_of(data), words)


@sandbox.command("schema")
def schema_() -> int:
    """Write alembic/schema.sql."""
    from sandbox.schema import write

    return write()


@sandbox.command("reset")
@data_option
def reset(data: Path | None) -> None:
    """Delete the data."""
    folder = places.data_of(data)
    if not folder.exists():
        print(f"nothing to delete: there is no {folder}")
        return
    with folders.claimed(folder):
        folders.delete_data(folder)
    print(f"deleted the data in {folder}")


sandbox.add_command(demo, "run")


def main() -> int:
    try:
        return sandbox.main(prog_name="python -m sandbox", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except NotStarted as error:
        print(f"not started: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
