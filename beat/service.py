"""Beat as Celery starts it, without the code of the tasks: it sends their names."""

from __future__ import annotations

from typing import Any

from celery.apps import beat


class Beat(beat.Beat):
    """No task's module is imported: a broken one does not keep the others from their times."""

    def init_loader(self) -> None:
        """Make the app ready to send."""
        app: Any = self.app
        app.finalize()
