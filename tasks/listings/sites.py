"""`site`: web sites with classified listings, and where on their pages things stand."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.listings import selectors as language
from tasks.listings.head_fi import ID_PATTERN
from workers.db import Base, DefaultNow
from workers.errors import OptionsError
from workers.upstreams import Upstream


class Site(Base):
    """One site; its ``selectors`` are CSS, by the names in tasks/listings/selectors.py."""

    __tablename__ = "site"
    __table_args__ = (
        Index("site_by_upstream", "upstream"),
        {"comment": "Sites with classified ads; add one with SQL alone."},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name")
    upstream: Mapped[str] = mapped_column(
        ForeignKey("upstream.name"), comment="Upstream whose limits hold for it"
    )
    title: Mapped[str] = mapped_column(comment="Name for people")
    fetch_by: Mapped[str] = mapped_column(
        server_default=text("'http'"),
        comment="http, or browser if scripts render the ads (slower; needs the extra browser)",
    )
    page_path: Mapped[str] = mapped_column(
        server_default=text("'page-{page}'"),
        comment="Added to a category's path from page 2: page-{page}, or ?page={page}",
    )
    id_pattern: Mapped[str] = mapped_column(
        server_default=ID_PATTERN,
        comment="Regular expression; its first group is the ad's number in the path of its address",
    )
    selectors: Mapped[dict[str, Any]] = mapped_column(
        comment="CSS selectors of the parts of a card, or CSS@attribute; checked when saved"
    )
    currency: Mapped[str] = mapped_column(
        server_default=text("'USD'"), comment="Currency of a price that names none"
    )
    expire_after: Mapped[int] = mapped_column(
        server_default=text("3"),
        comment="Complete scrapes in a row without an ad, that should show it, before it expires",
    )
    page_pause: Mapped[timedelta | None] = mapped_column(
        comment="Least time between two pages where a run names none; null: 2 seconds"
    )
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: not scraped")
    note: Mapped[str | None] = mapped_column(comment="Remarks")
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last edit")


@dataclass(frozen=True, slots=True)
class Source:
    """A site as a scrape needs it, checked."""

    name: str
    upstream: str
    base_url: str
    #: Minimum time between two calls.
    spacing: timedelta
    #: Calls in flight at once, at most.
    concurrency: int
    #: Least time between two pages; None: the default.
    page_pause: timedelta | None
    fetch_by: str
    page_path: str
    id_pattern: str
    selectors: language.Selectors
    currency: str
    expire_after: int
    #: Version of the columns that decide how a page is read; with a new one all pages are read again.
    reading: str

    def path(self, category_path: str, page: int) -> str:
        if "{page}" in category_path:
            return category_path.replace("{page}", str(page))
        if page == 1:
            return category_path
        added = self.page_path.format(page=page)
        if added[0] in "?&":
            return category_path + ("&" if "?" in category_path else "?") + added[1:]
        path, mark, query = category_path.partition("?")
        return path.rstrip("/") + "/" + added + mark + query

    def reading_of(self, category_path: str) -> str:
        """The version of ``reading`` for one path: with another path another page is read."""
        return hashlib.md5(f"{self.reading} {category_path}".encode()).hexdigest()  # noqa: S324


def find(connection: Connection, name: str) -> Source:
    """The site of that name; OptionsError if there is none, it is not active, or its row is wrong."""
    decisive = (
        Site.selectors, Site.id_pattern, Site.currency, Site.fetch_by, Site.page_path, Upstream.base_url
    )  # fmt: skip
    reading = func.md5(func.concat_ws(" ", *decisive)).label("reading")
    joined = select(Site, Upstream.base_url, Upstream.spacing, Upstream.concurrency, reading).join(
        Upstream, Upstream.name == Site.upstream
    )
    row: Any = connection.execute(joined.where(Site.name == name)).first()
    if row is None:
        known = connection.execute(select(Site.name).order_by(Site.name)).scalars()
        raise OptionsError(f'no site named "{name}" in table site; known: {", ".join(known)}')
    if not row.active:
        raise OptionsError(f'site "{name}" is not active: {row.note or "see its row in table site"}')
    try:
        selectors = language.parse(row.selectors)
        if not re.compile(row.id_pattern).groups:
            raise ValueError(f"id_pattern = {row.id_pattern} has no group for the listing's number")
        row.page_path.format(page=2)
    except (ValueError, LookupError, re.error) as error:
        raise OptionsError(f'site "{name}" cannot be read: {error}') from None
    return Source(
        row.name, row.upstream, row.base_url, row.spacing, row.concurrency, row.page_pause,
        row.fetch_by, row.page_path, row.id_pattern, selectors, row.currency, row.expire_after,
        row.reading,
    )  # fmt: skip
