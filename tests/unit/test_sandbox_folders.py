"""The sandbox's folders: one owner at a time, nothing of other people's removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import folders
from sandbox.processes import NotStarted


@pytest.fixture
def no_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_starting_over_removes_only_what_a_sandbox_made(tmp_path: Path) -> None:
    for ours in ("postgres-18", "valkey", "logs"):
        (tmp_path / ours).mkdir()
        (tmp_path / ours / "file").touch()
    (tmp_path / "postgres-password").touch()
    (tmp_path / "thesis.txt").touch()
    (tmp_path / "postgres-notes").mkdir()

    folders.delete_data(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres-notes", "thesis.txt"]


def test_a_folder_has_one_sandbox_at_a_time(tmp_path: Path) -> None:
    with (
        folders.claimed(tmp_path),
        pytest.raises(NotStarted, match="another sandbox runs in"),
        folders.claimed(tmp_path),
    ):
        pass
    assert not folders.is_used(tmp_path)
    with folders.claimed(tmp_path):
        assert folders.is_used(tmp_path)


def test_a_killed_owners_temporary_folder_goes_when_the_next_begins(no_leftovers: Path) -> None:
    left = no_leftovers / "watchkeeper-x-killed"
    left.mkdir()
    (left / folders.LOCK).touch()
    being_made = no_leftovers / "watchkeeper-x-young"
    being_made.mkdir()

    with folders.temporary("watchkeeper-x-") as living, folders.temporary("watchkeeper-x-") as second:
        assert not left.exists()
        assert living.exists()
        assert second.exists()
        assert being_made.exists()
    assert not living.exists()
    assert not second.exists()


def test_a_checkout_that_others_may_not_enter_keeps_its_data_below_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.processes import Identity

    checkout = tmp_path / "home" / "checkout"
    checkout.mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    monkeypatch.setattr(folders, "unprivileged", lambda: Identity(65534, 65534))

    folder, why = folders.default(checkout / ".sandbox")

    assert folder.name.startswith("watchkeeper-sandbox-")
    assert why is not None
    assert str(folder) in why
    monkeypatch.setattr(folders, "unprivileged", lambda: None)
    assert folders.default(checkout / ".sandbox") == (checkout / ".sandbox", None)
