"""The kinds of the tests, for a worker whose second process is told to end as soon as it is forked."""

import os
import signal

from tests.support.kinds import app

__all__ = ["app"]

_forks: list[None] = []


def _told() -> None:
    if len(_forks) == 1:
        os.kill(os.getpid(), signal.SIGTERM)


os.register_at_fork(after_in_parent=lambda: _forks.append(None), after_in_child=_told)
