"""`site_turn`: which run scrapes a site now; one at a time, however the runs were started."""

from uuid import UUID

from sqlalchemy import Connection, ForeignKey, and_, column, func, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow

#: What is read of the ledger, whose tables no class maps.
_RUN = table("run", column("id"), column("state"))


class SiteTurn(Base):
    """The run that may scrape a site; the turn ends with the run, so a crash needs no clean-up."""

    __tablename__ = "site_turn"
    __table_args__ = ({"comment": "Which run scrapes each site now, or did last."},)

    site: Mapped[str] = mapped_column(
        ForeignKey("site.name", ondelete="CASCADE"), primary_key=True, comment="Site"
    )
    run_id: Mapped[UUID] = mapped_column(comment="Run that has, or had, the turn")
    since: Mapped[DefaultNow] = mapped_column(comment="Since when")


def take(connection: Connection, site: str, run_id: UUID) -> UUID:
    """Take the site's turn for ``run_id`` unless a running run has it; returns the run that has it."""
    new = insert(SiteTurn).values(site=site, run_id=run_id)
    running = select(_RUN.c.id).where(_RUN.c.state == "running")
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["site"],
            set_={"run_id": new.excluded.run_id, "since": func.clock_timestamp()},
            where=and_(SiteTurn.run_id != new.excluded.run_id, SiteTurn.run_id.not_in(running)),
        )
    )
    return connection.execute(select(SiteTurn.run_id).where(SiteTurn.site == site)).scalar_one()
