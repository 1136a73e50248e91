"""`upstream`: servers of somebody else, as people describe them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow, driver_connect, execute
from workers.errors import Unavailable
from workers.upstreams.remembered import Remembered

#: How long the rules of upstreams are kept in memory (seconds).
MAX_AGE = 1.0


class Upstream(Base):
    __tablename__ = "upstream"
    __table_args__ = (
        {"comment": "Servers of other people, and the limits of our calls; edit with SQL."},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name used by tasks")
    base_url: Mapped[str] = mapped_column(comment="Address; paths are added to it")
    concurrency: Mapped[int] = mapped_column(
        server_default=text("4"), comment="Calls in flight at once, over all workers"
    )
    spacing: Mapped[timedelta] = mapped_column(
        server_default=text("interval '0'"), comment="Minimum time between a response and the next call"
    )
    obey_robots: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Read and obey robots.txt (web sites; not APIs)"
    )
    enabled: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: no calls")
    note: Mapped[str | None] = mapped_column(comment="Reason for these settings")
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last edit")
    unblocked_at: Mapped[datetime | None] = mapped_column(
        comment="When a person last lifted its block: unblock()"
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What a client needs to know of an upstream; the rest is the permit's business."""

    base_url: str
    obey_robots: bool
    #: Whether a second attempt may go while one that hangs holds its permit: the upstream takes several
    #: calls at once, and not spaced.
    repeats: bool


_DESCRIBE = """
select name, base_url, obey_robots,
       concurrency > 1 and spacing = interval '0'
       and not exists (select from quota q where q.upstream = u.name and q.paced)
       and not (obey_robots and exists (
           select from upstream_state s where s.upstream = u.name and s.crawl_delay > interval '0'))
       as repeats
  from upstream u
"""


def described(name: str) -> Rules:
    """The rules of an upstream, at most a second old; Unavailable when there is no such row."""
    found = known.get().get(name)
    if found is None:
        # Its row may be younger: a new site is added and scraped in one go.
        known.forget()
        found = known.get().get(name)
    if found is None:
        raise Unavailable(name, "table upstream has no row of this name")
    return found


def _read() -> dict[str, Rules]:
    with driver_connect() as connection:
        return {row.name: Rules(*row[1:]) for row in execute(connection, _DESCRIBE)}


#: Of all upstreams.
known = Remembered(_read, MAX_AGE)
