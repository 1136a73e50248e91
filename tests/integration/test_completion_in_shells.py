"""Completion as a person sees it who presses Tab in bash, zsh and fish."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminals import Terminal
from tests.support.tools import need
from tests.support.waiting import wait_for
from workers.cli import completion

#: What is typed before Tab → the line that it makes.
LINES = {
    "watchkeeper sched": "watchkeeper schedule",
    "watchkeeper schedule show hou": "watchkeeper schedule show hourly",
    "watchkeeper schedule stop 3f2": "watchkeeper schedule stop 3f2a9c1b",
    "watchkeeper schedule set hourly --overlap buffer_o": (
        "watchkeeper schedule set hourly --overlap buffer_one"
    ),
    "watchkeeper schedule set hourly --note 'a b' --overlap=buffer_o": (
        "watchkeeper schedule set hourly --note a b --overlap=buffer_one"
    ),
    'watchkeeper schedule set hourly --timezone "europe/berl': (
        "watchkeeper schedule set hourly --timezone Europe/Berlin"
    ),
    "watchkeeper schedule set hourly --option a=b --after=hou": (
        "watchkeeper schedule set hourly --option a=b --after=hourly"
    ),
    "~/bin/watchkeeper schedule show nigh": "~/bin/watchkeeper schedule show nightly",
    "watchkeeper schedule apply ~/sched": "watchkeeper schedule apply ~/schedules.yml",
}
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D; bindkey -e; "),
}
#: Goes to the beginning of the line and has it printed instead of run.
PRINT = "\x01echo LINE: \x05 :END\n"

PRINTED = re.compile(r"^\r*LINE: (.*?) :END", re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose names are known, so that no database is asked."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    program = Path(sys.executable).with_name("watchkeeper")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "watchkeeper").symlink_to(program)
    (tmp_path / "schedules.yml").touch()
    completion.folder().mkdir(parents=True)
    for kind, names in {
        "schedule": [["hourly", "every 1 hour, disabled"], ["nightly", "weekdays at 00:00 New York"]],
        "run": [["3f2a9c1b", "discovery failed, 3m ago"]],
        "timezone": [["Europe/Berlin", None], ["Europe/Bern", None]],
    }.items():
        (completion.folder() / kind).write_text(json.dumps(names))
    return tmp_path


@pytest.fixture
def shell(request: pytest.FixtureRequest, home: Path) -> Iterator[Terminal]:
    command, before = SHELLS[request.param]
    need(shutil.which(request.param), request.param)
    terminal = Terminal(command, PS1="> ")
    terminal.type(f'{before}eval "$(watchkeeper completion {request.param})"; echo "rea"dy\n')
    wait_for(lambda: "ready" in terminal.text(), 30)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_tab_completes_the_line(shell: Terminal, home: Path) -> None:
    for done, (begun, line) in enumerate(LINES.items()):
        shell.type(f"{begun}\t{PRINT}")
        made = wait_for(lambda done=done: PRINTED.findall(shell.text())[done:], 20)
        assert isinstance(made, list)
        assert " ".join(made[0].split()) == line.replace("~", str(home))


@pytest.mark.parametrize("shell", ["zsh"], indirect=True)
def test_zsh_says_what_each_name_is(shell: Terminal) -> None:
    shell.type("watchkeeper schedule show \t")
    for said in ("hourly   -- every 1 hour, disabled", "nightly  -- weekdays at 00:00 New York"):
        wait_for(lambda said=said: said in shell.text(), 20)


def test_fish_completes_the_line_and_says_what_each_name_is(home: Path) -> None:
    need(shutil.which("fish"), "fish")
    asked = "; ".join(f"complete -C {json.dumps(begun)}; echo" for begun in LINES)
    script = f"watchkeeper completion fish | source; {asked}; complete -C 'watchkeeper schedule show '"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    *found, names = done.stdout.split("\n\n")
    assert [one.partition("\t")[0] for one in found] == [
        # Fish puts the word that is completed in the place of what was typed of it.
        "schedule", "hourly", "3f2a9c1b", "buffer_one", "--overlap=buffer_one", "Europe/Berlin",
        "--after=hourly", "nightly", "~/schedules.yml",
    ]  # fmt: skip
    assert names.splitlines() == [
        "hourly\tevery 1 hour, disabled", "nightly\tweekdays at 00:00 New York"
    ]  # fmt: skip
