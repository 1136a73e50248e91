"""`heartbeat`: each process says that it is useful, not only that it is alive."""

from __future__ import annotations

import os
import time
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow, transaction
from workers.settings import settings


class Heartbeat(Base):
    """The last sign of one process."""

    __tablename__ = "heartbeat"
    __table_args__ = ({"comment": "Last sign of each beat and worker; silent ones show in health."},)

    name: Mapped[str] = mapped_column(
        primary_key=True, comment="Node name, e.g. beat@host or prices@host"
    )
    role: Mapped[str] = mapped_column(comment="beat | worker")
    started_at: Mapped[DefaultNow] = mapped_column(comment="Process start")
    seen_at: Mapped[DefaultNow] = mapped_column(comment="Last sign")
    detail: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="Version, pid, queues, pool size, clock skew"
    )


_BEAT = text("""
insert into heartbeat (name, role, detail)
values (:name, :role, cast(:detail as jsonb) || jsonb_build_object(
    'clock_skew', cast(:clock as float8) - extract(epoch from clock_timestamp())::float8))
on conflict (name) do update
   set seen_at = clock_timestamp(), detail = excluded.detail, role = excluded.role,
       started_at = case when heartbeat.detail->'pid' is distinct from excluded.detail->'pid'
                         then clock_timestamp() else heartbeat.started_at end
""").bindparams(bindparam("detail", type_=JSONB))


def beat(name: str, role: str, detail: dict[str, Any]) -> None:
    """Say that process ``name`` is useful: in its row, then in its file for a health check."""
    with transaction() as connection:
        # How far this host's clock is ahead: nothing depends on it, doctor tells it.
        clock = time.time()
        connection.execute(_BEAT, {"name": name, "role": role, "detail": detail, "clock": clock})
    directory = settings().heartbeat_dir
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{role}-{name}").touch()


_ENDED = text("""
update heartbeat set detail = detail || '{"ended": true}' where name = :name and detail ->> 'pid' = :pid
""")


def ended(name: str, role: str) -> None:
    """Say that process ``name``, this one, ends on purpose: its silence is no trouble."""
    with transaction() as connection:
        connection.execute(_ENDED, {"name": name, "pid": str(os.getpid())})
    directory = settings().heartbeat_dir
    if directory is not None:
        (directory / f"{role}-{name}").unlink(missing_ok=True)
