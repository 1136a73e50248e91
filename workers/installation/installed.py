"""What this code brings, read from its files: importing it all would take `doctor` a second."""

import re
from importlib import import_module
from pathlib import Path

from workers.installation.domains import domains

_HERE = Path(__file__).parents[1]
#: Alembic's folder: inside the package as a wheel installs it, beside it in a checkout.
MIGRATIONS = next(path for path in (_HERE / "alembic", _HERE.parent / "alembic") if path.is_dir())
#: Exit status of the migrate step when the database is at a revision that this code does not have.
REFUSED = 3
_REVISION = re.compile(r'^(revision|down_revision)(?:: [^=]+)? = (?:"(\w+)"|None)', re.MULTILINE)
#: A task's name is its module.
_TASK = re.compile(r"^@app\.task\(\s*name=__name__\b", re.MULTILINE)


def heads() -> list[str]:
    """Revisions that no other follows, of this code and of domains elsewhere."""
    folders = [MIGRATIONS / "versions", *(one.revisions for one in domains().values() if one.revisions)]
    made: set[str] = set()
    followed: set[str] = set()
    for file in (file for folder in folders for file in folder.glob("*.py")):
        for name, revision in _REVISION.findall(file.read_text("utf-8")):
            (made if name == "revision" else followed).add(revision)
    return sorted(made - followed)


def task_names() -> set[str]:
    return {
        ".".join(["tasks", *file.relative_to(folder).with_suffix("").parts])
        for folder in map(Path, import_module("tasks").__path__)
        for file in folder.rglob("*.py")
        if _TASK.search(file.read_text("utf-8"))
    }
