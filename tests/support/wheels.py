"""An empty virtual environment with a wheel of the project, and only what that wheel says it needs."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> Path:
    """A wheel of the checkout, made in ``folder``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, extra: str) -> Path:
    """An environment with the wheel; what it requires is linked from here, nothing else.  Returns its programs.

    A requirement that the project forgot to declare is missing, as after `pip install` of the file.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (own,) = packages.glob("watchkeeper-*.dist-info")
    for needed in required(Distribution.at(own), frozenset({extra})):
        for path in top_files(needed):
            link = packages / path.name
            if not link.exists():
                link.symlink_to(path)
    return folder / "bin"


def required(root: Distribution, extras: frozenset[str]) -> Iterator[Distribution]:
    """Every distribution that ``root`` requires, also by others, each once."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, extras)]
    while waiting:
        one, wanted = waiting.pop()
        for text in one.requires or ():
            need = Requirement(text)
            applies = need.marker is None or any(
                need.marker.evaluate({"extra": name}) for name in ("", *wanted)
            )
            key = (need.name.lower(), frozenset(need.extras))
            if applies and key not in seen:
                seen.add(key)
                found = distribution(need.name)
                waiting.append((found, frozenset(need.extras)))
                yield found


def top_files(one: Distribution) -> set[Path]:
    """What a distribution has directly below site-packages."""
    place = Path(str(one.locate_file("")))
    return {
        place / path.parts[0]
        for path in one.files or ()
        if path.parts[0] not in {"..", "__pycache__"} and (place / path.parts[0]).exists()
    }
