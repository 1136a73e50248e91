"""What a watch is: each domain holds one `Watch` in ``tasks/<domain>/watch.py`` (pure)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

#: Subject of a rule that names none.
DEFAULT_SUBJECT = "listing"
#: Kinds of fields.  REGIONS is a text that lists several values: "CONUS, Canada".
TEXT, NUMBER, REGIONS = "text", "number", "regions"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of what a watch finds, the same in rules, notices and pages."""

    kind: str = TEXT
    #: Its name in notices; None: notices leave it out.
    label: str | None = None
    aliases: tuple[str, ...] = ()
    #: Every value that a text can have; empty: any.
    values: tuple[str, ...] = ()
    #: Where every code that a text can be stands, as module:NAME: too many to show, and slow to import.
    codes: str | None = None
    #: Limits of a number: its minimum (or what it is always above) and its maximum.
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    #: The number is an amount of the currency that the row names in field ``currency``.
    is_money: bool = False


Fields = Mapping[str, Field]


@dataclass(slots=True)
class Slice:
    """What one transaction of retention deletes at most: ``limit`` rows older than ``before``."""

    before: datetime
    limit: int
    #: Where the transaction before it ended, in the order of its rule: the index holds entries of
    #: deleted rows up to there until vacuum comes.
    since: Any = None


#: Deletes such a slice in this connection; returns how many rows.
Delete = Callable[[Any, Slice], int]


@dataclass(frozen=True, slots=True)
class Days:
    """An option of `tasks.upkeep.retention`: for how many days rows are kept."""

    default: int
    description: str
    minimum: int = 1
    maximum: int = 3650


@dataclass(frozen=True, slots=True)
class Seed:
    """A schedule that the sandbox starts with; exactly one of ``every`` and ``after``."""

    name: str
    title: str
    task: str
    every: str | None = None
    after: str | None = None
    overlap: str = "skip"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imitation:
    """How the sandbox imitates an upstream: a module with a ``SITE``, and its port."""

    upstream: str
    module: str
    port: int
    #: SQL that runs when the sandbox's database is new.
    setup: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A table or a chart on a page of the console, from one statement that only reads.

    Columns are headings.  ``key`` links to the page of the thing found, ``run_id`` to a run; an array
    named ``spark`` is a small line; a chart has ``at`` and one line for each further column.
    """

    title: str
    sql: str
    kind: str = "table"
    empty: str = "Nothing yet."
    #: Column that counts something → the address of what it counts; other columns of the row in braces.
    counts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pages:
    """What the console shows of a watch; a watch without it gets a list made from ``rows``."""

    #: What was found, newest first; binds :q (pattern or null), :after (cursor or null), :limit.
    #: Columns ``key`` and ``title`` come first; ``key`` of the last row is the next cursor.
    found: str
    #: Panels above that list; binds nothing.
    overview: tuple[Panel, ...] = ()
    #: Panels of one thing found; binds :key (text).
    details: tuple[Panel, ...] = ()
    #: Panels on the page of a run; binds :run.
    reports: tuple[Panel, ...] = ()
    #: Table → what its row would do: a function of (connection, key, text of a page) that returns rows.
    previews: Mapping[str, Callable[[Any, str, str], list[dict[str, Any]]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A kind of thing that is watched, and everything about it that other parts read."""

    #: What one thing found is called, and several; also the word of ``rule.subject``.
    subject: str
    plural: str
    queue: str
    fields: Fields
    #: SQL of the rows that rules are tried on; binds :span (interval or null) and :key (text or null),
    #: and may bind :rule.
    rows: str
    fields_of: Callable[[Any], Mapping[str, Any]]
    title_of: Callable[[Any], str]
    #: Column of ``rows`` that ``match.subject_id`` holds.
    key: str = "id"
    #: SQL of the keys (``id``) of what others know by %(number)s; None: keys are all there is.
    numbered: str | None = None
    #: Fields that lists and pages show, after key and title.
    columns: tuple[str, ...]
    #: Whether ``global_filter`` and the filters of rules apply.
    is_filtered: bool = False
    #: Word for what is new in the daily digest; None: it is not counted there.
    digest: str | None = None
    pages: Pages | None = None
    #: Tables that people own → what an operator may do there.
    tables: Mapping[str, str] = field(default_factory=dict)
    #: Options of the retention task that this watch adds.
    days: Mapping[str, Days] = field(default_factory=dict)
    #: Name of a retention rule → option that says how many days, and what deletes.
    retention: Mapping[str, tuple[str, Delete]] = field(default_factory=dict)
    #: SQL of the symbols that people follow here: retention of every watch keeps what bears one.
    followed: str | None = None
    #: SQL of the names of what needs a browser: queue `browser` is for it.
    drawn: str | None = None
    #: Name of a ``celery`` command → where it is, e.g. ``tasks.prices.commands:prices``.
    commands: Mapping[str, str] = field(default_factory=dict)
    imitations: tuple[Imitation, ...] = ()
    #: Worker group of the sandbox that serves the queue.
    workers: str = "fast"
    seeds: tuple[Seed, ...] = ()
    #: SQL that runs at each start of the sandbox with demo schedules.
    demo: tuple[str, ...] = ()
    #: Folder of its migrations when they are not in ``alembic/versions``.
    revisions: Path | None = None

    def described(self, row: Any) -> dict[str, Any]:
        """A row as lists show it: key, title and the columns."""
        fields = self.fields_of(row)
        shown = {name: fields.get(name) for name in (*self.columns, "url")}
        return {"key": getattr(row, self.key), "title": self.title_of(row), **shown}

    @property
    def slug(self) -> str:
        """Its name in addresses: "job-postings"."""
        return re.sub(r"[^a-z0-9]+", "-", self.plural.lower()).strip("-")

    @property
    def has_number_key(self) -> bool:
        """Whether what it finds is numbered by the database."""
        return "cast(:key as bigint)" in self.rows


def drop_fields(*, is_money: bool = False) -> dict[str, Field]:
    return {
        "price_drop": Field(NUMBER, above=0, is_money=is_money),
        "price_drop_percent": Field(NUMBER, above=0, maximum=100),
    }


def price_drop(old: Any, new: Any) -> dict[str, Any]:
    """The fields ``price_drop`` and ``price_drop_percent``; None when the price did not fall."""
    if old is None or new is None or new >= old or old <= 0:
        return {"price_drop": None, "price_drop_percent": None}
    return {"price_drop": old - new, "price_drop_percent": (old - new) * 100 / old}
