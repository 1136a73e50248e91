"""Screens of every reading command at 80 and 120 columns and in a pipe are files; so are the shapes of `--json`.

WATCHKEEPER_UPDATE_SCREENS=1 writes the files anew: read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

import click
import pytest
from rich.cells import cell_len

from tests.support import frozen
from tests.support.postgres import new_database
from tests.support.screens import Screen, typed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "fixtures" / "screens"
SHAPES = ROOT / "docs" / "reference" / "json.md"
UPDATE = "WATCHKEEPER_UPDATE_SCREENS" in os.environ

#: Reading commands, and those that change nothing with --dry-run.
READING = (
    "schedule list",
    "schedule list --state late",
    "schedule list --state nonsense",
    "schedule status",
    "schedule show discovery",
    "schedule next prices-nightly",
    "schedule next set-aside",
    "schedule runs",
    "schedule runs -n 3",
    "schedule runs --all -n 3",
    "schedule runs --failed",
    "schedule runs discovery",
    "schedule runs prices-intraday",
    "schedule changes",
    "schedule set discovery --daily 17:00 --timezone Europe/Berlin --dry-run",
    "schedule backfill discovery --from 2026-01-01Z --to 2026-01-02Z --dry-run",
    "schedule retry --failed --dry-run",
    "schedule retry surveillance --dry-run",
    "schedule undo 3 --dry-run",
    "schedule export discovery",
    "upstream list",
    "upstream limit alpha_vantage --calls 75 --per '1 minute' --dry-run",
    "upstream limit alpha_vantage --calls 25 --per '1 day' --dry-run",
    "upstream set dexscreener --disabled --spacing 2s --dry-run",
    "upstream unblock head_fi --dry-run",
    "doctor",
    "prices watchlist",
    "prices quotes",
    "prices gaps --from 2026-01-12 --to 2026-01-14",
    "prices health",
    "listings list",
    "listings list -n 1",
    "listings show 1001",
    "listings sites",
    "listings categories",
    "notify channels",
    "notify outbox",
    "notify preview 2",
    "watch check",
    "watch found listing",
    "watch found token",
    "watch found quote",
    "watch test bargain",
    "watch explain bargain 1",
)
#: Exports and messages are as wide as they are.
UNBOUND = ("schedule export", "notify preview", "doctor")


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The frozen database, once for all screens: they change nothing."""
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("migrated_template")
    with (
        pytest.MonkeyPatch.context() as patched,
        new_database(server, template, patched) as database,
    ):
        patched.setenv("XDG_CACHE_HOME", "/nonexistent")
        frozen.freeze(database)
        yield database


@pytest.fixture
def clock(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock agrees with the database's."""
    monkeypatch.setattr("workers.doctor.time", SimpleNamespace(time=frozen.NOW.timestamp))


def shown(command: str, screen: Screen) -> str:
    """A screen as it stands in the file."""
    parts = [f"$ watchkeeper {command}\n{screen.out}"]
    if screen.err:
        parts.append(f"--- to stderr:\n{screen.err}")
    if screen.status:
        parts.append(f"--- exit status {screen.status}\n")
    return "".join(parts)


def compared(file: Path, said: str) -> None:
    if UPDATE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(said)
    assert said == file.read_text(), "WATCHKEEPER_UPDATE_SCREENS=1 writes it anew"


@pytest.mark.parametrize("width", [80, 120, None], ids=["80", "120", "pipe"])
def test_screens_are_as_in_their_file(world: Any, clock: None, width: int | None) -> None:
    screens = {command: typed(f"watchkeeper {command}", width, NO_COLOR="1") for command in READING}
    compared(FOLDER / f"{width or 'pipe'}.txt", "\n".join(shown(*each) for each in screens.items()))
    for command, screen in screens.items():
        if width and not command.startswith(UNBOUND):
            assert max(map(cell_len, screen.out.splitlines()), default=0) <= width, command


def test_no_word_is_broken_at_80_columns(world: Any, clock: None) -> None:
    """A word of a narrow table stands whole in the wide one, or ends with an ellipsis."""
    for command in READING:
        narrow, wide = (typed(f"watchkeeper {command}", width, NO_COLOR="1") for width in (80, 1000))
        known = set(wide.out.split())
        words = {word for word in narrow.out.split() if word.isascii() and "…" not in word}
        assert words <= known | {"more:"}, command


def test_colour_is_for_a_terminal_that_wants_it(world: Any, clock: None) -> None:
    assert "\x1b[" in typed("watchkeeper schedule list", 120).out
    assert "\x1b" not in typed("watchkeeper schedule list", 120, NO_COLOR="1").out
    piped = typed("watchkeeper schedule list", None)
    assert "\x1b" not in piped.out + piped.err


@pytest.mark.parametrize("command", READING)
def test_quiet_leaves_only_results_and_errors(world: Any, clock: None, command: str) -> None:
    loud, quiet = (typed(f"watchkeeper {command}{how}", 120, NO_COLOR="1") for how in ("", " -q"))

    assert (quiet.out, quiet.status) == (loud.out, loud.status)
    for line in quiet.err.splitlines():
        assert line.startswith(("error:", "why:", "hint:")), line


def leaves(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    below = getattr(command, "commands", None)
    for name, one in sorted((below or {}).items()):
        yield from leaves(f"{path} {name}", one)
    if not below or getattr(command, "invoke_without_command", False):
        yield path, command


def all_commands() -> dict[str, click.Command]:
    from workers.cli.main import COMMANDS

    found = {}
    for name, (where, _) in COMMANDS.items():
        found |= dict(leaves(name, resolve_name(where)))
    return found


#: Programs that run until they are stopped, and a script for a shell.
NO_JSON = {"console", "demo", "completion"}


def test_every_command_speaks_json_and_can_be_quiet() -> None:
    for path, command in all_commands().items():
        options = {option for param in command.params for option in param.opts}
        assert "--quiet" in options, path
        assert "--json" in options or path in NO_JSON, path


#: Commands that write, each with its answer; every one of them is undone.
WRITING = (
    "schedule add later --task tasks.prices.refresh --every 1h",
    "schedule set discovery --note x",
    "schedule pause discovery --for 2h",
    "schedule resume discovery",
    "schedule run discovery",
    "schedule stop 44444444",
    "schedule backfill discovery --from 2026-01-01Z --to 2026-01-02Z -y",
    "schedule remove later -y",
    "schedule apply FILE --dry-run",
    "prices watchlist add MSFT",
    "prices watchlist remove MSFT",
    "notify resend",
    "schedule undo 3",
    "upstream limit alpha_vantage --calls 75 --per 1m",
    "upstream set dexscreener --disabled --spacing 2s",
    "upstream unblock head_fi",
)
#: What asks other servers, or waits for a run to end: their own tests have them.
ELSEWHERE = {
    "schedule import", "schedule watch", "schedule disable", "schedule enable", "schedule delete", "listings preview",
    "notify test", "console person add", "console person change", "console person list",
    "console person remove",
}  # fmt: skip


def kind_of(value: Any) -> str:
    kinds = {bool: "true or false", int: "number", float: "number", str: "text", type(None): "null"}
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else kinds[type(value)]


def shape(answer: Any) -> dict[str, set[str]]:
    """Keys of an answer with the kinds of their values, over all of its rows."""
    rows = answer if isinstance(answer, list) else [answer]
    found: dict[str, set[str]] = {}
    for row in rows:
        for key, value in row.items() if isinstance(row, dict) else [("", row)]:
            found.setdefault(key, set()).add(kind_of(value))
    return found


def described(path: str, command: str, answer: Any) -> str:
    what = "an array of objects" if isinstance(answer, list) else "an object"
    if isinstance(answer, list) and answer and not isinstance(answer[0], dict):
        what = f"an array of {kind_of(answer[0])}s"
    parts = [f"\n## {path}\n\n`watchkeeper {command}` prints {what}.\n"]
    rows = [(key, kinds) for key, kinds in shape(answer).items() if key]
    if rows:
        parts.append("\n| key | value |\n| --- | --- |\n")
        parts += [
            f"| `{key}` | {' or '.join(sorted(kinds, key=lambda k: (k == 'null', k)))} |\n"
            for key, kinds in rows
        ]
    return "".join(parts)


HEAD = """\
<!-- Generated by tests/integration/test_screens.py, which compares it with what the commands print. -->

# JSON of the commands

`--json` prints one line to standard output: an array of rows, or an object. Keys stay; new ones may come. Times are ISO 8601, lengths of time
seconds, amounts of money text with all their digits. Remarks go to standard error, and `-q` leaves them out. `null` stands where a row has no value.
A list that `-n` cuts is cut here too. `schedule watch` and `schedule run --wait` print an array of the runs that ended, with `id`, `name`, `state`,
`finished_at`, `summary`, `total`, `ended` and `failed`.
"""


def test_the_shape_of_every_answer_is_in_the_reference(
    clock: None, tmp_path: Path, database: Any
) -> None:
    # It writes, so the world is its own.
    frozen.freeze(database)
    file = tmp_path / "schedules.yml"
    file.write_text(
        typed("watchkeeper schedule export", None).out.replace("max_tokens: 20", "max_tokens: 30")
    )
    found: dict[str, tuple[str, Any]] = {}
    for command in (*(one for one in READING if "nonsense" not in one), *WRITING):
        said = typed(f"watchkeeper {command.replace('FILE', str(file))} --json -q", None)
        assert said.status in {0, 1}, (command, said)
        assert len(said.out.splitlines()) == 1, (command, said.out)
        answer = json.loads(said.out)
        path = next(
            one for one in sorted(all_commands(), key=len, reverse=True) if command.startswith(one)
        )
        if path not in found or not found[path][1]:
            found[path] = (command.replace(" -y", "") + " --json", answer)
    page = HEAD + "".join(described(path, *each) for path, each in sorted(found.items()))

    assert all_commands().keys() - found.keys() - NO_JSON <= ELSEWHERE
    compared(SHAPES, page)


def test_status_fits_50_lines_however_much_is_wrong(clock: None, world: Any) -> None:
    with world.connect() as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "insert into schedule (name, task, every, updated_at)"
            " select 'bulk-' || n, 'tasks.discovery.discover', '1 hour', '2026-01-01Z' from generate_series(1, 300) n"
        )
        connection.execute(
            "insert into schedule_state (schedule, claim_at, consecutive_failures)"
            " select name, '2026-01-15 11:00Z', 2 from schedule where name like 'bulk-%'"
        )
        for width in (80, 120, 200):
            screen = typed("watchkeeper schedule status", width, NO_COLOR="1")
            lines = screen.out.splitlines() + screen.err.splitlines()
            assert len(lines) <= 50
            assert max(map(cell_len, screen.out.splitlines())) <= width
            assert re.search(r"… \d+ troubles more: watchkeeper doctor", screen.out)
        connection.execute("delete from schedule_state where schedule like 'bulk-%'")
        connection.execute("delete from schedule where name like 'bulk-%'")
