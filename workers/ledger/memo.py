"""`memo`: what a batch learned by a call, kept while it waits, so that no call is paid for twice."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from workers.db import Driver, driver_transaction, execute

_KEEP = """
insert into memo (run_id, seq, name, value) values (%s, %s, %s, %s)
on conflict (run_id, seq, name) do update set value = excluded.value
"""


def keep(connection: Driver, run_id: UUID, seq: int, name: str, value: Any) -> None:
    execute(connection, _KEEP, (run_id, seq, name, Jsonb(value)))


def recall(connection: Driver, run_id: UUID, seq: int) -> dict[str, Any]:
    found = execute(
        connection, "select name, value from memo where run_id = %s and seq = %s", (run_id, seq)
    )
    return dict(found.fetchall())


_TAKE = "delete from memo where run_id = %s and seq = %s and name = %s returning value"


def take(connection: Driver, run_id: UUID, seq: int, name: str) -> Any:
    """What the batch remembers under ``name``, once; None when there is nothing."""
    row = execute(connection, _TAKE, (run_id, seq, name)).fetchone()
    return row.value if row else None


def forget(connection: Driver, run_id: UUID, seq: int) -> None:
    execute(connection, "delete from memo where run_id = %s and seq = %s", (run_id, seq))


class BatchMemo:
    """The memo of one batch for its client; each access is a transaction of its own."""

    def __init__(self, run_id: UUID, seq: int, *, resumed: bool) -> None:
        self._run_id, self._seq, self._resumed = run_id, seq, resumed

    def keep(self, name: str, value: str) -> None:
        with driver_transaction() as connection:
            keep(connection, self._run_id, self._seq, name, value)

    def take(self, name: str) -> str | None:
        if not self._resumed:
            return None
        with driver_transaction() as connection:
            found: str | None = take(connection, self._run_id, self._seq, name)
        return found
