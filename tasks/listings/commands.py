"""`celery -A workers.app listings …`: what the scrapes found."""

from __future__ import annotations

import click

from workers.console import connect, show, speaks_plainly

as_json = click.option("--json", "as_json", is_flag=True, help="one JSON array instead of a table")


@click.group()
def listings() -> None:
    """Classified ads that the scrapes found."""


@listings.command("list")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--category", help="slug of a category")
@as_json
@speaks_plainly
def list_(count: int, category: str | None, as_json: bool) -> None:
    """Ads, the newest first."""
    with connect() as connection:
        rows = connection.execute(
            "select l.external_id as id, l.title, l.price, l.currency, l.status, c.slug as category,"
            " ago_words(l.first_seen_at) as found, l.url from listing l"
            " left join category c on c.id = l.category_id"
            " where %(category)s::text is null or c.slug = %(category)s"
            " order by l.first_seen_at desc limit %(count)s",
            {"category": category, "count": count},
        ).fetchall()
    show(rows, ("id", "title", "price", "currency", "status", "category", "found"), as_json=as_json)


@listings.command("sites")
@as_json
@speaks_plainly
def sites(as_json: bool) -> None:
    """Sites and how many ads each has."""
    with connect() as connection:
        rows = connection.execute(
            "select s.name, s.title, s.upstream, s.active,"
            " (select count(*) from listing where site = s.name) as ads from site s order by s.name"
        ).fetchall()
    show(rows, ("name", "title", "upstream", "active", "ads"), as_json=as_json)


@listings.command("categories")
@as_json
@speaks_plainly
def categories(as_json: bool) -> None:
    """Categories and whether they are scraped."""
    with connect() as connection:
        rows = connection.execute(
            "select site, external_id as id, slug, title, scraped from category order by site, id"
        ).fetchall()
    show(rows, ("site", "id", "slug", "title", "scraped"), as_json=as_json)
