"""Runs that do only the items again that did not succeed in an earlier one."""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from workers.db import Driver

#: What a request holds that asks for these items alone.
ONLY_FAILED = {"items": "failed"}
_KEYS = """
select array(select item ->> 'key' from batch cross join jsonb_array_elements(batch.items) item
              where batch.run_id = %(old)s and item ->> 'state' in ('failed', 'deferred', 'stopped'))
  from run_request
 where run_id = %(old)s and new_run_id = %(id)s and action = 'retry' and options @> %(only)s
"""


def keys_of(connection: Driver, run: Mapping[str, Any]) -> frozenset[str] | None:
    """Keys of the items that ``run`` was asked to do again; None: it does all."""
    if run["retry_of"] is None:
        return None
    row = connection.execute(
        _KEYS, {"old": run["retry_of"], "id": run["id"], "only": Jsonb(ONLY_FAILED)}
    ).fetchone()
    return frozenset(row[0]) if row else None
