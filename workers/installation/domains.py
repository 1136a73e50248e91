"""What the domains bring to this layer: queues, tables and migrations; found by import string."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Module whose ``by_domain()`` returns them.
REGISTRY = "tasks.watches.registry"
#: Module whose ``register(connection)`` writes what rules may be about.
SUBJECTS = "tasks.watches.subjects"


class Domain(Protocol):
    """A domain as this layer knows it; a `tasks.watches.watch.Watch`."""

    @property
    def queue(self) -> str:
        """Queue of its tasks."""

    @property
    def tables(self) -> Mapping[str, str]:
        """Tables that people own → what an operator may do there."""

    @property
    def revisions(self) -> Path | None:
        """Folder of its migrations when they are not in ``alembic/versions``."""

    @property
    def drawn(self) -> str | None:
        """SQL of the names of what needs a browser."""


def domains() -> Mapping[str, Domain]:
    found: Mapping[str, Domain] = import_module(REGISTRY).by_domain()
    return found


_UNSERVED = """
 where not exists (select from heartbeat
                    where role = 'worker' and detail -> 'queues' ? 'browser' and not detail ? 'ended'
                      and seen_at > clock_timestamp() - interval '30 s')
"""


def undrawn() -> str:
    """SQL of the names of all that needs a browser, while no worker of queue `browser` lives."""
    queries = [one.drawn for one in domains().values() if one.drawn]
    drawn = " union all ".join(queries) or "select null::text as name where false"
    return f"select name from ({drawn}) drawn {_UNSERVED}"  # noqa: S608 - constants of ours


def register(connection: Connection) -> None:
    import_module(SUBJECTS).register(connection)
