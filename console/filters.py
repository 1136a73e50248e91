"""What templates may use beyond Jinja's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import jinja2
from starlette.requests import Request

from console import pictures, words
from console.queries import strip
from workers.text.words import count_words

#: Address and name of each page, in the order of the menu.
PAGES = (
    ("/", "Dashboard"),
    ("/schedules", "Schedules"),
    ("/runs", "Runs"),
    ("/budgets", "Budgets"),
    ("/workers", "Workers"),
    ("/watches", "Watches"),
    ("/changes", "Changes"),
)


def address(request: Request) -> str:
    """The page's own address, for its live parts."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def is_link(value: Any) -> bool:
    """Whether a text may become a link: http and https only."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return False
    try:
        return bool(urlsplit(value).netloc)
    except ValueError:
        return False


def query(parameters: dict[str, Any], **changes: Any) -> str:
    """A query string with some parameters changed; empty ones are left out."""
    kept = {**parameters, **changes}
    pairs = [(name, value) for name, value in kept.items() if value not in (None, "", False, [])]
    return "?" + urlencode(pairs, doseq=True) if pairs else "?"


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def parts_of(row: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Column, value before and after of each column that changed; options one by one."""
    old, new = row["old"] or {}, row["new"] or {}
    found: list[tuple[str, Any, Any]] = []
    for column in sorted({*old, *new} - {"revision", "updated_at", "updated_by"}):
        before, after = old.get(column), new.get(column)
        if isinstance(before, dict) and isinstance(after, dict):
            names = sorted({*before, *after})
            found += [
                (f"{column}.{n}", before.get(n), after.get(n))
                for n in names
                if before.get(n) != after.get(n)
            ]
        elif before != after:
            found.append((column, before, after))
    return found


def utc_now() -> datetime:
    return datetime.now(UTC)


def _strip_of(visit: Any) -> strip.Strip | None:
    """The strip; on the page of an account, which reads as nobody, as it was last."""
    if visit is None or visit.request.url.path.startswith("/account"):
        return strip.last()
    return strip.current(visit.connection)


def install(environment: jinja2.Environment) -> None:
    environment.filters.update(
        exact=words.exact,
        number=words.number,
        took=words.took,
        pretty=pretty,
        heading=words.title,
        span=words.span,
    )
    environment.tests["link"] = is_link
    environment.tests["forever"] = words.is_forever
    environment.tests["moment"] = lambda value: isinstance(value, datetime)
    environment.globals.update(
        relative=words.relative,
        utc_now=utc_now,
        look=words.state_look,
        plural=count_words,
        query=query,
        strip24=pictures.strip,
        points=pictures.line,
        shares=pictures.shares,
        pages=lambda: PAGES,
        address=address,
        parts_of=parts_of,
        current_strip=_strip_of,
    )
    # Macros that every template may use, also when one block of it is drawn alone.
    macros = {"m": "macros", "panels": "panels", "f": "fields", "changed": "changed", "w": "when"}
    for name, file in macros.items():
        environment.globals[name] = environment.get_template(f"{file}.html").module
