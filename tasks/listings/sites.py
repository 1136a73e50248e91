"""`site`: web sites with classified ads, and where on their pages things stand."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime

from tasks.listings import selectors as language
from tasks.listings.head_fi import ID_PATTERN
from workers.db import Base
from workers.errors import OptionsError


class SiteUnusable(OptionsError):
    """The site that a run names cannot be scraped; the sentence says what to edit."""


class Site(Base):
    """One site; its ``selectors`` are CSS, by the names in tasks/listings/selectors.py."""

    __tablename__ = "site"
    __table_args__ = (
        CheckConstraint(
            "name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'",
            name="site name: lower-case words and digits joined by _",
        ),
        CheckConstraint("page_path like '%{page}%'", name="page_path must contain {page}"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency is three capitals, such as USD"),
        CheckConstraint(
            "fetch_by in ('http', 'browser')",
            name="fetch_by is http, or browser (pages that scripts draw)",
        ),
        CheckConstraint("expire_after between 1 and 100", name="expire_after is from 1 to 100"),
        CheckConstraint("id_pattern like '%(%)%'", name="id_pattern needs a group: (...)"),
        Index("site_by_upstream", "upstream"),
        {"comment": "Sites with classified ads; add one with SQL alone."},
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True, comment="Name")
    upstream: Mapped[str] = mapped_column(
        Text, ForeignKey("upstream.name"), comment="Upstream whose limits hold for it"
    )
    title: Mapped[str] = mapped_column(Text, comment="Name for people")
    fetch_by: Mapped[str] = mapped_column(
        Text,
        server_default=text("'http'"),
        comment="http; browser where scripts draw the ads (slower; needs the extra browser)",
    )
    page_path: Mapped[str] = mapped_column(
        Text,
        server_default=text("'page-{page}'"),
        comment="Added to a category's path from page 2: page-{page}, or ?page={page}",
    )
    id_pattern: Mapped[str] = mapped_column(
        Text,
        server_default=ID_PATTERN,
        comment="Regular expression; its first group is the ad's number in the path of its address",
    )
    selectors: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="Where on a card things stand: CSS, or CSS@attribute; checked when saved"
    )
    currency: Mapped[str] = mapped_column(
        Text, server_default=text("'USD'"), comment="Currency of a price that names none"
    )
    expire_after: Mapped[int] = mapped_column(
        SmallInteger,
        server_default=text("3"),
        comment="An ad expires after so many complete scrapes that covered its place without it",
    )
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: left alone")
    note: Mapped[str | None] = mapped_column(Text, comment="Why it is as it is")
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last edit"
    )


@dataclass(frozen=True, slots=True)
class Source:
    """A site as a scrape needs it, checked."""

    name: str
    upstream: str
    base_url: str
    #: Least time between two calls.
    spacing: timedelta
    fetch_by: str
    page_path: str
    id_pattern: str
    selectors: language.Selectors
    currency: str
    expire_after: int
    #: Changes whenever the row's way of reading a page does: what was read before is read again.
    reading: str

    def path(self, category_path: str, page: int) -> str:
        """Path of a category's list page, from 1; a {page} in it is filled in."""
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
        """Changes whenever another page would be read there, or the same one otherwise."""
        return hashlib.md5(f"{self.reading} {category_path}".encode()).hexdigest()  # noqa: S324


_FIND = text("""
select s.*, u.base_url,
       u.spacing,
       md5(concat_ws(' ', s.selectors, s.id_pattern, s.currency, s.fetch_by, s.page_path, u.base_url))
           as reading
  from site s join upstream u on u.name = s.upstream where s.name = :name
""")


def find(connection: Connection, name: str) -> Source:
    """The site of that name, or SiteUnusable: there is none, it is off, or its row is wrong."""
    row = connection.execute(_FIND, {"name": name}).first()
    if row is None:
        known = connection.execute(text("select string_agg(name, ', ' order by name) from site"))
        raise SiteUnusable(f'no site named "{name}" in table site; known: {known.scalar_one()}')
    if not row.active:
        raise SiteUnusable(f'site "{name}" is not active: {row.note or "see its row in table site"}')
    try:
        selectors = language.read(row.selectors)
        if not re.compile(row.id_pattern).groups:
            raise ValueError(f"id_pattern = {row.id_pattern} has no group for the ad's number")
        row.page_path.format(page=2)
    except (ValueError, LookupError, re.error) as error:
        raise SiteUnusable(f'site "{name}" cannot be read: {error}') from None
    return Source(
        row.name, row.upstream, row.base_url, row.spacing, row.fetch_by, row.page_path, row.id_pattern,
        selectors, row.currency, row.expire_after, row.reading,
    )  # fmt: skip


_LIST = text("""
select s.name, s.title, s.upstream, s.fetch_by, s.active, s.currency, s.expire_after, s.note,
       (select count(*) from category c where c.site = s.name and c.scraped) as categories,
       (select count(*) from listing l where l.site = s.name) as ads,
       (select count(*) from listing l where l.site = s.name and l.status = 'active') as active_ads
  from site s order by s.name
""")


def every(connection: Connection) -> list[dict[str, Any]]:
    """All sites with their numbers, for people."""
    return [dict(row) for row in connection.execute(_LIST).mappings()]
