"""Which program a person uses, so that hints name it: `watchkeeper …` or `celery -A workers.app …`."""

import os
import sys

#: Program names; each is also the program in the audit.
WATCHKEEPER, CELERY = "watchkeeper", "celery schedule"


def program() -> str:
    return WATCHKEEPER if _is_watchkeeper() else CELERY


def prefix() -> str:
    """What stands before a command's name, as it has to be typed here."""
    if _is_watchkeeper():
        # The sandbox's own `watchkeeper` says where it is.
        return os.environ.get("WATCHKEEPER_PROGRAM") or WATCHKEEPER
    usual = os.environ.get("CELERY_APP")
    app = (os.environ.get("WATCHKEEPER_APP") or usual or "workers.app").partition(",")[0]
    return "celery" if app == usual else f"celery -A {app}"


def typed(words: str) -> str:
    """A command as it has to be typed here: ``schedule runs`` → ``watchkeeper schedule runs``."""
    return f"{prefix()} {words}"


def actor() -> str:
    """The person, for the audit; empty when nobody is known."""
    return os.environ.get("WATCHKEEPER_ACTOR") or os.environ.get("USER") or ""


def _is_watchkeeper() -> bool:
    return os.path.basename(sys.argv[0] if sys.argv else "").startswith("watchkeeper")  # noqa: PTH119
