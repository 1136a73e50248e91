"""CI's audit of what the image holds: nothing that was not looked at passes in silence."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited: six"}
CLEAN = {"name": "six", "version": "1.17", "vulns": []}
BAD = {"name": "six", "version": "1.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1"]}]}


@pytest.fixture
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("found", "problem", "required", "status", "said"),
    [
        ([CLEAN], "", True, 0, "1 packages audited, 0 known vulnerabilities"),
        ([BAD], "", False, 1, "six 1.0: CVE-2026-1, fixed in ['1.1']"),
        ([CLEAN, SKIPPED], "", False, 0, "NOT AUDITED: 1 packages: Dependency not found on PyPI"),
        ([CLEAN, SKIPPED], "", True, 1, "NOT AUDITED: 1 packages"),
        ([], "no route to the index", False, 0, "NOT AUDITED: all packages: no route to the index"),
        ([], "no route to the index", True, 1, "NOT AUDITED: all packages"),
    ],
)
def test_a_vulnerability_fails_and_what_was_not_asked_is_said(
    audit: Any, capsys: Any, found: Any, problem: str, required: bool, status: int, said: str
) -> None:
    assert audit.report(found, problem, required=required) == status
    assert said in capsys.readouterr().out


def test_the_sbom_names_each_package_of_the_image_with_its_version(audit: Any, tmp_path: Path) -> None:
    lock = (ROOT / "requirements" / "production.lock").read_text()
    locked = dict(re.findall(r"^([a-z][a-z0-9-]*)==(\S+)", lock, re.MULTILINE))

    audit.write_sbom(tmp_path)

    named = json.loads((tmp_path / "sbom.json").read_text())["components"]
    assert locked.items() <= {one["name"]: one["version"] for one in named}.items()
