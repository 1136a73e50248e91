"""Completion of names and values in bash, zsh and fish, from small files of names.

Asking the database at each press of the key would take a third of a second.  Each kind of
name has a file, which is renewed in the background when it is old.
"""

import contextlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from workers.cli.commands import Command
from workers.connections.postgres import database_dsn

#: An older file is renewed (seconds).
MAX_AGE = 30.0
#: Most names in a file.
MAX_NAMES = 5000
SHELLS = ("bash", "zsh", "fish")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]
#: A name, and a few words about it.
Names = list[tuple[str, str | None]]


def folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "watchkeeper" / f"{zlib.crc32(database_dsn().encode()):08x}"


def forget(kind: str) -> None:
    """Names of this kind have changed: the next completion asks the database."""
    with contextlib.suppress(OSError, RuntimeError):
        (folder() / kind).unlink()


def renew(kind: str, query: str) -> Names:
    """Ask the database and write the file, which only its owner can read."""
    from workers.cli.database import connect

    with connect() as connection:
        rows = connection.execute(f"select * from ({query}) names limit {MAX_NAMES}").fetchall()  # noqa: S608
    found = [(str(name), words) for name, words in (row.values() for row in rows)]
    with contextlib.suppress(OSError, RuntimeError):
        path = folder() / kind
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(found))
        fresh.replace(path)
    return found


def names(kind: str, query: str) -> Names:
    """Names from the file; the database is asked only when there is none.  Empty when it cannot be."""
    try:
        path = folder() / kind
        age = time.time() - path.stat().st_mtime
        found: Names = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        return _renew_quietly(kind, query)
    if age > MAX_AGE:
        with contextlib.suppress(OSError):
            # Touched first, so that one press of the key starts one renewal.
            os.utime(path)
            _renew_in_background(kind, query)
    return found


def _renew_quietly(kind: str, query: str) -> Names:
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123
            return renew(kind, query)
    except (Exception, SystemExit):
        return []


def _renew_in_background(kind: str, query: str) -> None:
    # Without output of ours, because the shell waits until everybody has closed its pipe.
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "workers.cli.completion", kind, query],
        {key: value for key, value in os.environ.items() if not key.endswith("_COMPLETE")},
        file_actions=[(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in (0, 1, 2)],
        setsid=True,
    )


def of(kind: str, query: str) -> Complete:
    """Completes names of a kind, which ``query`` reads: the name, and a few words or null."""

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        return _items(names(kind, query), begun)

    return complete


def among(*values: str) -> Complete:
    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        return _items([(value, None) for value in values], begun)

    return complete


def _items(found: Iterable[tuple[str, str | None]], begun: str) -> list[CompletionItem[str]]:
    wanted = begun.lower()
    return [
        CompletionItem(name, help=words or None)
        for name, words in found
        if name.lower().startswith(wanted)
    ]


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion of SHELL: eval "$(watchkeeper completion bash)"."""
    made = get_completion_class(shell)
    if made is None:  # pragma: no cover - click has all three
        raise click.UsageError(f"there is no completion for {shell}")
    root = context.find_root()
    click.echo(made(root.command, {}, "watchkeeper", "_WATCHKEEPER_COMPLETE").source(), nl=False)


if __name__ == "__main__":
    _renew_quietly(*sys.argv[1:])
