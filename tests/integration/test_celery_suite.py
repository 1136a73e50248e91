"""Celery's own tests of beat and schedules, from its source package, with our scheduler in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.archives import extract

ROOT = Path(__file__).parents[2]
#: Kept between runs, outside the repository's files.
CACHE = ROOT / ".pytest_cache" / "celery"
EXCEPTIONS = ROOT / "tests" / "fixtures" / "celery_beat_exceptions.txt"
FILES = ("t/unit/app/test_beat.py", "t/unit/app/test_schedules.py")
FAILED = re.compile(r"^FAILED \S+::(test_\S+)", re.MULTILINE)


def source() -> Path:
    """Celery's source package of the version installed here, unpacked."""
    name = f"celery-{version('celery')}"
    if not (CACHE / name).is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
             "--no-binary", "celery", name.replace("-", "=="), "-d", CACHE],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode and os.environ.get("CI") != "true":
            pytest.skip(f"the package index has no source of Celery here: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr
        with tarfile.open(CACHE / f"{name}.tar.gz") as archive:
            extract(archive, CACHE)
    return CACHE / name


def expected() -> dict[str, str]:
    lines = [line for line in EXCEPTIONS.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.timeout(600)
def test_celerys_tests_of_beat_pass_but_for_those_of_heap_entries_and_shelve(tmp_path: Path) -> None:
    (tmp_path / "empty.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *FILES, "-q", "--tb=line", "-c", tmp_path / "empty.ini", "--rootdir", ".",
         "-o", "python_classes=test_*", "-p", "tests.support.celery_suite"],
        cwd=source(), capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}.", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", done.stdout)

    assert passed, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(passed.group(1)) > 300
    assert set(FAILED.findall(done.stdout)) == expected().keys()
