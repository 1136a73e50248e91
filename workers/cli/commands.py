"""What every command of ours has: options of one meaning, `-q`, and "did you mean"."""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import click

from workers.cli.database import readable_errors
from workers.cli.output import JSON, MAX_ROWS, QUIET

F = TypeVar("F", bound=Callable[..., Any])
#: Options that show a command's help, whatever program it is called from.
HELP = ["-h", "--help"]

dry_run = click.option("--dry-run", is_flag=True, help="change nothing; show what would change")


def at_most(default: int) -> Callable[[F], F]:
    """The option `-n` of a list; `newest` says what it cuts."""
    return click.option(
        "-n", "count", type=click.IntRange(1, MAX_ROWS), default=default, show_default=True,
        help="rows at most",
    )  # fmt: skip


yes = click.option("--yes", "-y", is_flag=True, help="do not ask")


def _speak_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta[JSON] = True


#: `show` and `tell` print JSON then; others ask `is_json`.
as_json = click.option(
    "--json", is_flag=True, expose_value=False, callback=_speak_json, help="print JSON, for programs"
)


def _be_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta[QUIET] = True


def _quiet() -> click.Option:
    return click.Option(
        ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_be_quiet,
        help="results and errors only, no remarks",
    )  # fmt: skip


@contextmanager
def _outputs() -> Iterator[None]:
    """Have what is written to a closed output (`>&-`) go nowhere."""
    with ExitStack() as stack:
        for output, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if output is None:
                stack.enter_context(redirected(stack.enter_context(Path(os.devnull).open("w"))))
        yield


class _Ours(click.Command):
    """Prints a database error as message, reason and hint, and ends with an exit code."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.context_settings.setdefault("help_option_names", HELP)

    def invoke(self, ctx: click.Context) -> Any:
        with _outputs(), readable_errors():
            return super().invoke(ctx)


class Command(_Ours):
    """A command with `-q`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_quiet())


class Group(_Ours, click.Group):
    """Commands of class `Command`; a mistyped name is answered with similar ones."""

    command_class = Command

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.invoke_without_command:
            self.params.append(_quiet())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = ""
            if args:
                near = self.elsewhere(args[0]) or did_you_mean(args[0], self.list_commands(ctx))
            if not near:
                raise
            raise click.UsageError(f"No such command {args[0]!r}.  {near.strip()}", error.ctx) from None

    def elsewhere(self, wanted: str) -> str:
        """A question that names where a command of this name stands; empty when nowhere."""
        return ""


command = functools.partial(click.command, cls=Command)


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """A question that names the names nearest to a mistyped one; empty when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(wanted, list(known), 3, 0.5)
    return f"Did you mean {' or '.join(near)}?  " if near else ""
