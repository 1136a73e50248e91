"""The sandbox's command line and what it shows."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox import display
from sandbox.__main__ import main
from sandbox.executing import _run, extras
from sandbox.folding import Repeats

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {"beat": 0, "worker": 0, "console": 0, "flower": 0}),
        ("beat=2,worker=1", {"beat": 2, "worker": 1, "console": 0, "flower": 0}),
        ("worker,console,flower=1", {"beat": 0, "worker": 1, "console": 1, "flower": 1}),
    ],
)
def test_with_says_what_else_to_start(text: str, wanted: dict[str, int]) -> None:
    assert extras(text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [("redis=1", "beat, worker, console, flower, not 'redis'"), ("beat=-1", "a number, not '-1'")],
)
def test_with_refuses_what_it_does_not_know(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        extras(text)


@pytest.mark.parametrize(
    "arguments", [["exec"], ["exec", "--"], ["exec", "--with", "x=1", "--", "true"]]
)
def test_a_wrong_command_line_starts_nothing(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sandbox", *arguments])
    monkeypatch.setattr("sandbox.executing.execute", None)

    assert main() == 2

    assert capsys.readouterr().err


def test_a_runs_line_shows_words_of_others_as_they_are() -> None:
    row: dict[str, Any] = {
        "name": "prices-demo", "state": "failed", "summary": "KeyError:\n['a'] [/red] [bold]",
        "seconds": 1.25, "finished_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }  # fmt: skip
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)

    console.print(display.line(row))

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "✘ prices-demo      KeyError: ['a'] [/red] [bold]  1.2 s" in shown


def ended(name: str, summary: str, *, idle: bool = False) -> dict[str, Any]:
    return {"name": name, "state": "succeeded", "summary": summary, "seconds": 0.1, "idle": idle}


def test_runs_that_say_nothing_new_are_counted_and_printed_once_a_minute() -> None:
    repeats = Repeats(0.0)
    idle = ended("send-notices", "nothing to send", idle=True)

    assert [len(repeats.take(idle)) for _ in range(312)] == [0] * 312
    assert [len(repeats.take(ended("prices-demo", "all fresh"))) for _ in range(3)] == [1, 0, 0]
    assert repeats.due(59.0) == []
    assert [(row["name"], row["times"]) for row in repeats.due(60.0)] == [
        ("prices-demo", 2),
        ("send-notices", 312),
    ]
    assert repeats.due(120.0) == []


def test_what_was_counted_is_printed_before_a_run_that_ends_otherwise() -> None:
    repeats = Repeats(0.0)
    for summary in ("all fresh", "all fresh"):
        repeats.take(ended("prices-demo", summary))

    shown = repeats.take(ended("prices-demo", "5 refreshed"))

    assert [(row["summary"], row.get("times")) for row in shown] == [
        ("all fresh", 1),
        ("5 refreshed", None),
    ]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not read, also when it is root's."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o000)
    if os.getuid() == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(os.getuid())


def test_a_folder_of_path_that_may_not_be_read_holds_no_program(
    locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["no-such-program"], {"PATH": f"{locked}:/usr/bin:/bin"}) == 127
    assert "does not exist" in capsys.readouterr().err
    assert _run(["true"], {"PATH": f"{locked}:/usr/bin:/bin"}) == 0


@pytest.mark.parametrize(
    ("given", "made"), [("C", "C.UTF-8"), ("POSIX", "C.UTF-8"), ("de_DE.UTF-8", "de_DE.UTF-8")]
)
def test_make_starts_no_python_in_an_ascii_locale(given: str, made: str) -> None:
    said = subprocess.run(
        ["make", "-s", "--eval=say: ; @echo $$LC_ALL", "say"],
        cwd=ROOT, env={**os.environ, "LC_ALL": given}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [made]
