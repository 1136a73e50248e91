"""What the image holds: its SBOM, and the known vulnerabilities of it.

``python .ci/audit.py FOLDER`` writes sbom.json (CycloneDX) and vulnerabilities.json there.  Exit status
1 when a package has a known vulnerability.  Where the package index tells nobody of vulnerabilities, it
says so with the reason, and WATCHKEEPER_AUDIT=required makes that a failure too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "production.lock"
BIN = Path(sys.executable).parent


def write_sbom(folder: Path) -> int:
    """Returns the number of its components."""
    file = folder / "sbom.json"
    subprocess.run(
        [
            BIN / "cyclonedx-py", "requirements", LOCK, "--pyproject", ROOT / "pyproject.toml",
            "--mc-type", "application", "--output-reproducible", "--output-file", file,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return len(json.loads(file.read_text())["components"])


def ask(folder: Path) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit found of each package, and what it said beside it."""
    file = folder / "vulnerabilities.json"
    file.unlink(missing_ok=True)
    done = subprocess.run(
        [
            BIN / "pip-audit", "--requirement", LOCK, "--require-hashes", "--disable-pip",
            "--progress-spinner", "off", "--format", "json", "--output", file,
        ],
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    said = done.stderr.strip().splitlines()
    if not file.exists():
        return [], said[-1] if said else f"pip-audit ended with {done.returncode}"
    return json.loads(file.read_text())["dependencies"], ""


def report(found: list[dict[str, Any]], problem: str, *, required: bool) -> int:
    """Print a line for each finding; returns the exit status."""
    skipped = {one["skip_reason"].partition(":")[0] for one in found if "skip_reason" in one}
    asked = [one for one in found if "skip_reason" not in one]
    bad = 0
    for one in asked:
        for hole in one["vulns"]:
            bad += 1
            print(f"{one['name']} {one['version']}: {hole['id']}, fixed in {hole['fix_versions']}")
    print(f"{len(asked)} packages audited, {bad} known vulnerabilities")
    if skipped or problem:
        reason = problem or "; ".join(sorted(skipped))
        print(f"NOT AUDITED: {len(found) - len(asked) if found else 'all'} packages: {reason}")
    return 1 if bad or (required and (skipped or problem)) else 0


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{folder / 'sbom.json'}: {write_sbom(folder)} components")
    return report(*ask(folder), required=os.environ.get("WATCHKEEPER_AUDIT") == "required")


if __name__ == "__main__":
    sys.exit(main())
