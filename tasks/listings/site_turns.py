"""`site_turn`: which run scrapes a site now; one at a time, however the runs were started."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Uuid

from workers.db import Base


class SiteTurn(Base):
    """A run's turn at a site; it ends with the run, so a crash leaves nothing to clear up."""

    __tablename__ = "site_turn"
    __table_args__ = ({"comment": "Which run scrapes each site now, or did last."},)

    site: Mapped[str] = mapped_column(
        Text, ForeignKey("site.name", ondelete="CASCADE"), primary_key=True, comment="Site"
    )
    run_id: Mapped[UUID] = mapped_column(Uuid, comment="Run that has, or had, the turn")
    since: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Since when"
    )


_TAKE = text("""
insert into site_turn (site, run_id) values (:site, :run_id)
on conflict (site) do update set run_id = excluded.run_id, since = clock_timestamp()
 where site_turn.run_id <> excluded.run_id
   and not exists (select from run where id = site_turn.run_id and state = 'running')
""")
_HOLDER = text("select run_id from site_turn where site = :site")


def take(connection: Connection, site: str, run_id: UUID) -> UUID:
    """Take the site's turn for ``run_id`` if no running run has it; returns the run that has it."""
    connection.execute(_TAKE, {"site": site, "run_id": run_id})
    holder: UUID = connection.execute(_HOLDER, {"site": site}).scalar_one()
    return holder
