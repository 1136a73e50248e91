"""The ledger: `run`, `batch` and their items; every statement that changes their state stands here.

Tasks import these names.  Each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import loaded_when_used

if TYPE_CHECKING:
    from workers.ledger import faults as faults
    from workers.ledger import heartbeats as heartbeats
    from workers.ledger import machine_locks as machine_locks
    from workers.ledger.kinds import NotEmpty as NotEmpty
    from workers.ledger.kinds import Options as Options

#: Public names, and where they stand.
NAMES = {
    "NotEmpty": "workers.ledger.kinds:NotEmpty",
    "Options": "workers.ledger.kinds:Options",
    "faults": "workers.ledger.faults:",
    "heartbeats": "workers.ledger.heartbeats:",
    "machine_locks": "workers.ledger.machine_locks:",
}
if not TYPE_CHECKING:
    __getattr__ = loaded_when_used(NAMES)
