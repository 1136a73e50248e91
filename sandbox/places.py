"""Where the sandbox's files are: in a checkout beside the packages, in a wheel inside them."""

import os
import sys
from pathlib import Path

from sandbox import folders

_HERE = Path(__file__).parent
#: The checkout; None when a wheel was installed.
CHECKOUT = _HERE.parent if (_HERE.parent / "pyproject.toml").exists() else None
#: Settings of psql and of Flower.
DEPLOY = _HERE.parent / "deploy" if CHECKOUT else _HERE / "deploy"


def data_of(given: Path | None) -> Path:
    """The folder that somebody gave, else the usual one; a remark when Postgres cannot use that."""
    if given is not None:
        return given.resolve()
    folder, why = folders.default(home())
    if why:
        print(why, file=sys.stderr)
    return folder


def home() -> Path:
    """Where the data is unless somebody says otherwise: ``.sandbox`` in the checkout, else the user's state."""
    if CHECKOUT:
        return CHECKOUT / ".sandbox"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "watchkeeper" / "demo"
