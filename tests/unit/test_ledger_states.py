"""One home a table: the table of transitions is what the ledger's statements do, and nobody else writes."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from workers.ledger import states
from workers.ledger.in_flight import ROOM
from workers.ledger.states import TRANSITIONS

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "workers" / "ledger"

WRITES = re.compile(
    r"\b(insert into|update|delete from|merge into)\s+(?:only\s+)?\"?(run|batch)\b", re.IGNORECASE
)
ASSIGNMENTS = re.compile(r"\bset\b(.*?)(?=\bfrom\b|\bwhere\b)", re.DOTALL)
ASSIGNED = re.compile(r"(?<!\.)\bstate = (case .*? end|'\w+'|%\(state\)s)", re.DOTALL)
CONDITION = re.compile(r"\bstate(?: \|\| '')? (?:= '(\w+)'|in \(([^)]*)\))")
RESULT = re.compile(r"(?:then|else|state =) '(\w+)'")
#: They also look at runs or batches other than those they change.
LOOKS_AROUND = {"in_flight.PUT_BACK", "planned.RELEASE_HELD", "planned.INSERT_RUNS"}


def statements(file: Path) -> dict[str, str]:
    """Constants of a module that write `run` or `batch`, by name, as they are run."""
    module = importlib.import_module(f"workers.ledger.{file.stem}")
    found = {name: value for name, value in vars(module).items() if name.isupper()}
    return {name: text for name, text in found.items() if isinstance(text, str) and WRITES.search(text)}


FOUND = {
    f"{file.stem}.{name}": text
    for file in sorted(LEDGER.glob("*.py"))
    for name, text in statements(file).items()
}


def test_the_table_names_every_statement_and_each_of_its_tables() -> None:
    said = {(one.statement, one.table) for one in TRANSITIONS}
    done = {(name, found[1]) for name, text in FOUND.items() for found in WRITES.findall(text)}
    assert said == done


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_statement_finds_and_sets_the_states_that_the_table_says(name: str) -> None:
    text = FOUND[name].replace(ROOM, "")
    rows = [one for one in TRANSITIONS if one.statement == name]
    before = {state for row in rows for state in row.before}
    after = {state for row in rows for state in row.after}
    assigned = [one[0] for part in ASSIGNMENTS.findall(text) for one in ASSIGNED.finditer(part)]
    conditions = {
        state
        for one, several in CONDITION.findall(ASSIGNMENTS.sub("", text))
        for state in ([one] if one else re.findall(r"\w+", several))
    }
    if "%(state)s" not in text and "given.state" not in text and "insert into" not in text:
        assert {state for one in assigned for state in RESULT.findall(one)} == after
    if name not in LOOKS_AROUND:
        assert conditions == before


def test_states_of_the_table_are_those_of_the_checks() -> None:
    for one in TRANSITIONS:
        known = states.RUN_STATES if one.table == "run" else states.BATCH_STATES
        assert {*one.before, *one.after} <= set(known), one


def strays(folder: Path, pattern: str) -> set[str]:
    return {
        str(file.relative_to(ROOT))
        for file in folder.rglob(pattern)
        if LEDGER not in file.parents and WRITES.search(_strings(file))
    }


def _strings(file: Path) -> str:
    """String literals of a Python file (but docstrings); the whole of any other."""
    if file.suffix != ".py":
        return re.sub(r"--.*|comment on .*", "", file.read_text())
    tree = ast.parse(file.read_text())
    words = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return "\n".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words
    )


def test_nobody_else_writes_runs_or_batches() -> None:
    found = set()
    for folder in ("workers", "beat", "tasks", "console", "sandbox", "deploy"):
        found |= strays(ROOT / folder, "*.py") | strays(ROOT / folder, "*.sql")
    found |= strays(ROOT / "alembic" / "sql", "*.sql")
    assert found == set()
