"""`celery -A workers.app listings …`: what the scrapes found, and a preview of a site's pages.

Large imports are inside the commands: Celery loads this module for every command of its own.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.execution import cli, count_words, statements

if TYPE_CHECKING:
    from tasks.listings.cards import Page
    from tasks.listings.sites import Source
    from workers.upstreams import Response

_SQL = statements(__file__)
sites = cli.completion.of("site", "select name, title from site order by name")
categories = cli.completion.of(
    "category", "select slug, min(title) from category group by slug order by slug"
)

a_site = click.option("--site", help="name of a site, when several have ads", shell_complete=sites)
#: Listings that a preview shows.
MAX_SHOWN = 10
#: Timeout of a page of a preview (seconds).
TIMEOUT = 30.0


@click.group(cls=cli.Group)
def listings() -> None:
    """Classified ads that the scrapes found."""


@listings.command("list")
@cli.at_most(20)
@a_site
@click.option("--category", help="slug of a category", shell_complete=categories)
@click.option(
    "--status",
    help="active, sold, closed, traded, expired",
    shell_complete=cli.completion.among("active", "sold", "closed", "traded", "expired"),
)
@click.option("--title", help="part of the title")
@click.option("--max-price", type=click.FloatRange(0))
@cli.as_json
def list_(count: int, **filters: Any) -> None:
    """Ads, the newest first."""
    from tasks.watches.comparing import containing

    title = containing(filters["title"])
    rows = cli.read(_SQL["newest"], {**filters, "title": title, "count": count + 1})
    columns = ("id", "title", "price", "currency", "status", "type", "category", "found")
    wanted = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in filters.items() if value)
    which = f"with {wanted}" if wanted else "yet"
    nothing = f"no ad {which}; what is scraped: {cli.typed('listings categories')}"
    cli.show(rows, columns, empty=nothing, cut=cli.newest(count))


@listings.command("show")
@click.argument("number")
@a_site
@cli.as_json
def show_(number: str, site: str | None) -> None:
    """One ad by the site's NUMBER, with its prices and statuses over time."""
    found = cli.read(_SQL["by_number"], {"number": number, "site": site})
    if not found:
        cli.fail(
            f"no ad with number {number}", f"The newest: {cli.typed('listings list')}", cli.NOT_FOUND
        )
    if len(found) > 1:
        cli.fail(f"several sites have an ad {number}", "name one with --site", cli.USAGE)
    history = cli.read(_SQL["history"], {"listing": found[0]["id"]})
    if cli.is_json():
        cli.show([{**found[0], "history": history}], ())
        return
    facts = [
        {"what": name.replace("_", " "), "value": ", ".join(value) if name == "regions" else value}
        for name, value in found[0].items()
        if name != "id" and value not in (None, [])
    ]
    cli.show(facts, ("what", "value"))
    cli.say()
    cli.show(history, ("at", "what", "value"))


@listings.command("sites")
@cli.as_json
def sites_() -> None:
    """Sites and how many ads each has."""
    columns = (
        "name", "title", "upstream", "fetch_by", "active", "categories", "active_ads", "ads", "note",
    )  # fmt: skip
    nothing = "no site yet: each is a row of table site"
    cli.show(cli.read(_SQL["sites"]), columns, empty=nothing)


@listings.command("categories")
@cli.as_json
def categories_() -> None:
    """Categories, whether they are scraped, when they last were."""
    columns = ("site", "id", "slug", "title", "scraped", "active_ads", "last_complete_at")
    nothing = "no category yet: each is a row of table category"
    cli.show(cli.read(_SQL["categories"]), columns, empty=nothing)


@listings.command("preview")
@click.argument("site", shell_complete=sites)
@click.option(
    "--category", help="slug of a category; default: the site's first", shell_complete=categories
)
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="read this page instead of fetching one",
)  # fmt: skip
@cli.as_json
def preview(site: str, category: str | None, path: Path | None) -> None:
    """Read the first pages of SITE as a scrape would, and store nothing.

    The quota, the spacing and robots.txt apply here too.
    """
    from tasks.listings import categories, sites
    from workers.errors import WatchkeeperError

    try:
        with cli.database() as connection:
            source = sites.find(connection, site)
            wanted = categories.find(connection, site, [category] if category else None)
        if not wanted and path is None:
            hint = f"All categories: {cli.typed('listings categories')}"
            cli.fail(f"no category to read at {site}", hint, cli.NOT_FOUND)
        category_path = wanted[0].path if wanted else "/"
        if path is None:
            page, size, second = _fetch(source, category_path)
        else:
            page, size, second = _read_file(source, category_path, path)
    except WatchkeeperError as error:
        cli.fail(str(error), None, cli.FAILED)
    _show_page(page, size)
    if second:
        cli.say(second, err=True)
    if not page.cards:
        cli.fail(
            "no ad could be read", f"check selectors in the row of {site} in table site", cli.FAILED
        )


def _read_file(source: Source, category_path: str, path: Path) -> tuple[Page, int, str]:
    from urllib.parse import urljoin

    from workers.upstreams import Response

    url = urljoin(source.base_url, category_path)
    # In the encoding that the page names, as a page that is fetched.
    saved = Response(source.upstream, 200, url, {}, path.read_bytes(), encoding=None)
    return _parsed(source, saved), len(saved.text), ""


def _parsed(source: Source, response: Response) -> Page:
    from datetime import UTC, datetime

    from tasks.listings import fetchers

    return fetchers.parse(source, response.text, response.url, datetime.now(UTC))


def _fetch(source: Source, category_path: str) -> tuple[Page, int, str]:
    """The first page, its length in characters, and a comparison with the second page."""
    from contextlib import closing
    from functools import partial

    from tasks.listings import fetchers
    from workers.errors import UpstreamError
    from workers.upstreams import CallOptions, UpstreamClient

    options = CallOptions(timeout=TIMEOUT, check=partial(fetchers.refuse_challenge, source))
    with (
        closing(UpstreamClient()) as client,
        fetchers.open_fetcher(source, client) as fetch,
        client.max_wait(TIMEOUT),
    ):
        response = fetch(source.path(category_path, 1), options)
        page = _parsed(source, response)
        if not page.cards:
            return page, len(response.text), ""
        time.sleep(fetchers.default_pause(source))
        try:
            other = fetch(source.path(category_path, 2), options)
        except UpstreamError as error:
            return page, len(response.text), f"page 2: {error}"
    second = _parsed(source, other)
    return page, len(response.text), _compared(source, page, second, other.url)


def _compared(source: Source, first: Page, second: Page, url: str) -> str:
    known = {card.external_id for card in first.cards}
    others = sum(card.external_id not in known for card in second.cards)
    said = (
        f"page 2: {count_words(len(second.cards), 'ad')} read, {others} of them not on page 1 ({url})"
    )
    if second.cards and not others:
        return f"{said}: check page_path in the site's row"
    if others and first.next_url is None and "next" in source.selectors:
        return f"{said}, but page 1 has no link to it: check the selector next, or leave it out"
    return said


def _show_page(page: Page, size: int) -> None:
    from dataclasses import asdict

    rows = [asdict(card) for card in page.cards]
    columns = (
        "external_id", "title", "listing_type", "price", "currency", "status", "condition", "ships_to",
        "seller", "seller_reputation", "listed_at",
    )  # fmt: skip
    cut = None if cli.is_json() else cli.Cut(MAX_SHOWN, f"the first {MAX_SHOWN}; all: --json")
    cli.show(rows, columns, cut=cut)
    never = [name for name in columns if rows and all(row[name] is None for row in rows)]
    cli.say(
        f"{count_words(len(rows), 'ad')} read, {page.unreadable} not readable,"
        f" {count_words(size, 'character')}, next page: {page.next_url or 'none'}"
        + (f"; never found: {', '.join(never)}" if never else ""),
        err=True,
    )
