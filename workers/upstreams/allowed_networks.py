"""`allowed_network`: networks that calls may reach although they are not public; the owner's list."""

from __future__ import annotations

import math
import threading
import time
from ipaddress import ip_network

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow, connect
from workers.upstreams.addresses import Network

#: How long the list is believed (seconds).
FRESH = 1.0


class AllowedNetwork(Base):
    """A network that its owner opened."""

    __tablename__ = "allowed_network"
    __table_args__ = (
        {
            "comment": "Private networks that calls may reach (a mail relay, a server of your own);"
            " public addresses need no row.  Only an owner edits it."
        },
    )

    network: Mapped[str] = mapped_column(
        CIDR, primary_key=True, comment="One network or address, e.g. 10.1.2.0/24, ::1/128"
    )
    note: Mapped[str | None] = mapped_column(comment="What is there and why it is called")
    created_at: Mapped[DefaultNow] = mapped_column(comment="Added")
    created_by: Mapped[str] = mapped_column(server_default=text("actor()"), comment="Added by")


_LIST = text("select network::text from allowed_network")

_known: tuple[float, tuple[Network, ...]] = (-math.inf, ())
_reading = threading.Lock()


def listed() -> tuple[Network, ...]:
    """Every network of the list, remembered for a second; one thread reads it for all that ask."""
    global _known  # noqa: PLW0603 - a process's memory
    asked = time.monotonic()
    if asked - _known[0] <= FRESH:
        return _known[1]
    with _reading:
        if asked - _known[0] > FRESH:
            began = time.monotonic()
            with connect() as connection:
                rows = connection.execute(_LIST).scalars().all()
            _known = (began, tuple(ip_network(row) for row in rows))
        return _known[1]


def forget() -> None:
    """Forget the list (after a fork; between tests)."""
    global _known, _reading
    _known, _reading = (-math.inf, ()), threading.Lock()
