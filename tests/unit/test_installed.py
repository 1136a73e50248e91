"""What files say about revisions and tasks is what importing them says."""

from __future__ import annotations

from alembic.script import ScriptDirectory

from workers import migrate
from workers.installation import installed


def test_heads_are_those_that_alembic_finds() -> None:
    found = ScriptDirectory.from_config(migrate.alembic_config()).get_heads()
    assert installed.heads() == sorted(found)
    # Two revisions that follow the same one are a mistake.
    assert len(found) == 1


def test_tasks_are_those_that_are_registered() -> None:
    registered = {task.name for task in migrate.registered() if task.name.startswith("tasks.")}
    assert installed.task_names() == registered
