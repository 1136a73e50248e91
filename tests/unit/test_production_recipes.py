"""Each recipe of docs/production.md is run by a test on a real engine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.engine import blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "production.md").read_text()
SOURCES = [*sorted((ROOT / "tests" / "engine").glob("*.py")), ROOT / "tests" / "support" / "engine.py"]


def recipes() -> set[tuple[str, int]]:
    """Heading and number of each block of shell on the page."""
    headings = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    return {(heading, number) for heading in headings for number in range(len(blocks(heading)))}


def run_by_tests() -> set[tuple[str, int]]:
    found = set()
    for call in (node for file in SOURCES for node in ast.walk(ast.parse(file.read_text()))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
            continue
        values = [one.value for one in call.args if isinstance(one, ast.Constant)]
        values += [one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)]
        if call.func.attr == "recipe" and values:
            found.add((str(values[0]), int(str(values[1])) if len(values) > 1 else 0))
        elif call.func.attr == "recipes":
            found |= {(str(values[0]), number) for number in range(len(blocks(str(values[0]))))}
    return found


def test_each_recipe_of_the_page_is_run_by_a_test_of_the_engine() -> None:
    assert recipes() == run_by_tests()
    assert len(recipes()) >= 12


def test_every_block_of_shell_is_below_a_heading_that_the_tests_see() -> None:
    assert len(re.findall(r"^```sh$", PAGE, re.MULTILINE)) == len(recipes())
