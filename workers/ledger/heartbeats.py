"""`heartbeat`: the last sign of each beat and worker, in its row and in its file."""

import os
import time
from importlib.metadata import version
from typing import Any

from psycopg.types.json import Jsonb

from workers.db import Driver, driver_transaction, execute
from workers.settings import settings

_VERSION = version("watchkeeper")
#: The clock skew is for doctor alone: nothing depends on a host's clock.
_RECORD = """
insert into heartbeat (name, role, detail)
values (%(name)s, %(role)s, %(detail)s || jsonb_build_object(
    'clock_skew', %(clock)s::float8 - extract(epoch from clock_timestamp())::float8))
on conflict (name) do update
   set seen_at = clock_timestamp(), detail = excluded.detail, role = excluded.role,
       started_at = case when heartbeat.detail->'pid' is distinct from excluded.detail->'pid'
                         then clock_timestamp() else heartbeat.started_at end
returning 1 + (select count(*) from heartbeat
                where role = %(role)s and name <> %(name)s and detail -> 'ended' is null
                  and seen_at > clock_timestamp() - interval '15 s')
"""
_END = """
update heartbeat set detail = detail || '{"ended": true}'
 where name = %(name)s and detail ->> 'pid' = %(pid)s
"""


def record(name: str, role: str, detail: dict[str, Any]) -> int:
    """Write that process ``name`` works: in its row, then in its file for a health check.

    Returns the number of living processes of that role, this one included.
    """
    told = Jsonb({**detail, "version": _VERSION})
    values = {"name": name, "role": role, "detail": told, "clock": time.time()}
    with driver_transaction() as connection:
        living = int(execute(connection, _RECORD, values).fetchall()[0][0])
    directory = settings().heartbeat_dir
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{role}-{name}").touch()
    return living


_SERVED = """
select exists (select from heartbeat
                where role = 'worker' and detail -> 'queues' ? %s and detail -> 'ended' is null
                  and seen_at > clock_timestamp() - interval '30 s')
"""


def is_served(connection: Driver, queue: str) -> bool:
    """Whether a living worker serves the queue."""
    return bool(execute(connection, _SERVED, (queue,)).fetchall()[0][0])


def end(name: str, role: str) -> None:
    """Write that this process, ``name``, ends on purpose: its silence is not reported."""
    with driver_transaction() as connection:
        execute(connection, _END, {"name": name, "pid": str(os.getpid())})
    directory = settings().heartbeat_dir
    if directory is not None:
        (directory / f"{role}-{name}").unlink(missing_ok=True)
