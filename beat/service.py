"""Celery's beat without the code of the tasks, which it sends by name."""

from __future__ import annotations

from typing import Any

from celery.apps import beat


class Beat(beat.Beat):
    """Imports no task module, so that a broken one does not stop the others."""

    def init_loader(self) -> None:
        app: Any = self.app
        app.finalize()
