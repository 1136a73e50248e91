"""What a health check says of a folder of heartbeat files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.health import MAX_AGE, main, problem_of

NOW = 1_800_000_000.0


def sign(folder: Path, name: str, age: float) -> None:
    (folder / name).touch()
    os.utime(folder / name, (NOW - age, NOW - age))


def test_a_fresh_sign_is_healthy(tmp_path: Path) -> None:
    sign(tmp_path, "worker-prices@host", MAX_AGE - 1)

    assert problem_of(tmp_path, NOW) is None


def test_an_old_sign_is_not_and_the_age_is_said(tmp_path: Path) -> None:
    sign(tmp_path, "worker-prices@host", MAX_AGE + 12)

    assert problem_of(tmp_path, NOW) == "the last heartbeat is 42 s old (limit 30 s)"


def test_the_newest_sign_counts(tmp_path: Path) -> None:
    sign(tmp_path, "worker-old@host", 5000)
    sign(tmp_path, "worker-new@host", 1)

    assert problem_of(tmp_path, NOW) is None


def test_no_sign_yet_is_not_healthy(tmp_path: Path) -> None:
    assert "no process has written a heartbeat yet" in (problem_of(tmp_path, NOW) or "")
    assert "no process has written a heartbeat yet" in (problem_of(tmp_path / "missing", NOW) or "")


def test_without_a_folder_it_says_which_setting_is_missing() -> None:
    assert "WATCHKEEPER_HEARTBEAT_DIR is not set" in (problem_of(None, NOW) or "")


def test_the_exit_status_is_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workers.settings import settings

    monkeypatch.setenv("WATCHKEEPER_HEARTBEAT_DIR", str(tmp_path))
    settings.cache_clear()
    assert main() == 1
    assert "no process has written a heartbeat yet" in capsys.readouterr().err
    (tmp_path / "beat-one@host").touch()
    assert main() == 0
    settings.cache_clear()


def test_a_check_is_cheap_enough_to_run_every_second_in_each_container(tmp_path: Path) -> None:
    (tmp_path / "beat-one@host").touch()
    look = "import sys, workers.health as h; print(h.main(), 'pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], check=True, capture_output=True, text=True,
        env={**os.environ, "WATCHKEEPER_HEARTBEAT_DIR": str(tmp_path)},
    )  # fmt: skip

    assert done.stdout.split() == ["0", "False"]
