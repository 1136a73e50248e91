"""Output of our commands: tables on a terminal, tabs in a pipe, JSON on request; exit codes."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import click

from workers.cli import tables
from workers.text.cleaning import printable
from workers.text.words import duration_words, time_words

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
#: What a command's options leave in its context.
QUIET, JSON = "watchkeeper.quiet", "watchkeeper.json"
#: Most rows that `-n` may ask for.
MAX_ROWS = 100_000
#: Columns that hold ids: a table shows the shortest prefix that tells them apart, and numbers whole.
IDS = frozenset({"id", "run", "run_id"})
#: How a cell begins → its colour.
COLOURS = {
    ("on", "succeeded", "ok", "sent"): "green",
    ("paused", "disabled", "partial", "skipped", "held", "warning"): "yellow",
    ("failed", "late", "set aside", "silent", "error", "dead", "stale", "wrong"): "red",
}
#: Columns whose cells have a colour.
COLOURED = frozenset({"state", "result", "severity", "seen"})


def is_quiet() -> bool:
    """Whether remarks are unwanted: `-q` of the command, or Celery's own."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    return bool(context.meta.get(QUIET) or getattr(context.find_root().obj, "quiet", False))


def is_json() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(JSON))


class Cut(NamedTuple):
    """A list shows so many rows; ``rest`` says how to see what is beyond them."""

    most: int
    rest: str


def newest(number: int, *, other: str = "") -> Cut:
    """The cut of a list with `-n`, the newest first."""
    more = f"-n {min(number * 5, MAX_ROWS)}" if number < MAX_ROWS else "by SQL"
    return Cut(number, f"the newest {number:,}; older ones: {more}{other}")


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line of the answer; with ``err`` a remark, which `-q` leaves out."""
    if not (err and is_quiet()):
        click.echo(printable(text, lines=True), err=err, nl=nl)


def say_file(text: str) -> None:
    """Print what is to be read again as it is; a terminal is spared what it cannot show."""
    click.echo(printable(text, lines=True) if sys.stdout.isatty() else text, nl=False)


def has_colour() -> bool:
    return "NO_COLOR" not in os.environ and sys.stdout.isatty()


def fail(message: str, hint: str | None, status: int, *, why: str | None = None) -> NoReturn:
    """Print an error, its reason and what to do about it; exit."""
    error = printable(f"error: {message}", lines=True)
    click.echo(error if "NO_COLOR" in os.environ else click.style(error, fg="red"), err=True)
    for word, text in (("why", why), ("hint", hint)):
        if text:
            click.echo(printable(f"{word + ':':<6} {text}", lines=True), err=True)
    sys.exit(status)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere ``--yes`` is needed.  Exits when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}  This is not a terminal: add --yes.")
    if not click.confirm(printable(question), err=True):
        say("nothing was changed", err=True)
        sys.exit(FAILED)


def plain(value: Any) -> Any:
    """A value for JSON: ISO times, lengths of time in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, UUID) else value


def print_json(found: Any) -> None:
    def shown(value: Any) -> Any:
        return str(value) if (simple := plain(value)) is value else simple

    click.echo(json.dumps(found, default=shown))


def tell(sentence: str, **found: Any) -> None:
    """Say what was done: a remark for people, and with `--json` an object of ``found``."""
    if is_json():
        print_json(found)
    say(sentence, err=True)


def show(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    *,
    drop: Sequence[str] = (),
    lines: int = 3,
    empty: str | None = None,
    cut: Cut | None = None,
) -> None:
    """Print rows: a table on a terminal, tab-separated lines in a pipe, or JSON.

    ``drop``: columns that a narrow terminal goes without, in this order; ``lines``: at most so many
    a cell; ``empty``: said when there are no rows; ``cut``: of a list that has more rows than it shows.
    """
    if cut and len(rows) > cut.most:
        show(rows[: cut.most], columns, drop=drop, lines=lines)
        say(cut.rest, err=True)
        return
    if is_json():
        click.echo(json.dumps([{k: plain(v) for k, v in row.items()} for row in rows], default=str))
        return
    if not rows and empty:
        say(empty, err=True)
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            say("\t".join(" ".join(cell(row[c]).split()) for c in columns))
        return
    if rows:
        for line in table(rows, columns, terminal_width(), drop=drop, lines=lines):
            click.echo(line)


def terminal_width() -> int:
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def table(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    width: int,
    *,
    drop: Sequence[str] = (),
    lines: int = 3,
) -> list[str]:
    texts = [{c: " ".join(cell(row[c]).split()) for c in columns} for row in rows]
    for column in IDS.intersection(columns):
        short = tables.short_ids([text[column] for text in texts if not text[column].isdigit()])
        for text in texts:
            text[column] = short.get(text[column], text[column])
    made = tables.plan(texts, columns, width, drop)
    right = frozenset(
        c for c in columns if all(isinstance(row[c], (int, Decimal, float, type(None))) for row in rows)
    )
    bold = click.style(str(tables.head_of(made, right)), bold=True) if has_colour() else None
    printed = [bold or str(tables.head_of(made, right))]
    for text in texts:
        printed += [_coloured(line, text) for line in tables.lines_of(text, made, right, lines)]
    return printed


def _coloured(line: tables.Line, text: tables.Row) -> str:
    if not has_colour():
        return str(line)
    cells = {c: click.style(one, fg=_colour(c, text[c])) for c, one in line.cells.items()}
    return tables.GAP.join(cells.values())


def _colour(column: str, text: str) -> str | None:
    if column not in COLOURED:
        return None
    found = (colour for begin, colour in COLOURS.items() if text.lower().startswith(begin))
    return next(found, None)


def cell(value: Any) -> str:
    """A value as a cell: times to the second, lengths in words, null empty, no control characters."""
    if isinstance(value, datetime):
        return time_words(value)
    if isinstance(value, timedelta):
        return duration_words(value)
    if isinstance(value, Decimal):
        # Digits, never 3.1E-7.
        return f"{value:f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else printable(str(value), lines=True)
