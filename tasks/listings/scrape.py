"""`tasks.listings.scrape`: list pages of a site's categories → ads and their prices over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from tasks.listings import cards, categories, listings, scrape_pages, sites
from workers.app import app
from workers.errors import BrokenAnswer, WatchkeeperError
from workers.kinds import Options
from workers.work import Item, Work


class ScrapeOptions(Options):
    """Which site, how deep; names and ranges are those of the system this one comes from."""

    site: str = Field("head_fi", max_length=64, description="Name of a row in table site")
    categories: list[str] | None = Field(None, max_length=50, description="Only these (slugs)")
    max_pages: int | None = Field(None, ge=1, le=100, description="Pages a category, at most")
    initial_max_pages: int = Field(10, ge=1, le=100, description="The same for the first scrape")
    scheduled_max_pages: int = Field(2, ge=1, le=20, description="The same for every later one")
    initial_scrape_days: int = Field(30, ge=1, le=365, description="Oldest ads of the first scrape")
    skip_initial: bool = Field(False, description="Treat the first scrape like any other")
    timeout_seconds: int = Field(30, ge=10, le=120, description="Longest wait for a page")


def plan(work: Work[ScrapeOptions]) -> Iterable[Item]:
    """One item a category; its data says how many pages and how far it got."""
    options = work.options
    with work.read() as connection:
        site = sites.find(connection, options.site)
        if site is None or not site.active:
            raise WatchkeeperError(f'no active site named "{options.site}" in table site')
        first = not options.skip_initial and not listings.any_known(connection, options.site)
        found = categories.wanted(connection, options.site, options.categories)
    if not found:
        raise WatchkeeperError(f"no category of {options.site} is to be scraped")
    usual = options.initial_max_pages if first else options.scheduled_max_pages
    pages = options.max_pages or usual
    return [
        Item(row.slug, {"id": row.id, "path": row.path, "pages": pages, "page": 0, "first": first})
        for row in found
    ]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 7 pages, 140 ads, 5 new, 2 changed."""
    names = ("pages", "ads", "new", "changed")
    return ", ".join(f"{counts.get(name, 0)} {name}" for name in names)


@app.task(
    name=__name__,
    options=ScrapeOptions,
    plan=plan,
    summary=summary,
    queue="listings",
    upstream="head_fi",
    batch_size=100,
    min_every=timedelta(minutes=1),
    max_every=timedelta(minutes=60),
)
def scrape(work: Work[ScrapeOptions]) -> None:
    """Scrape classified ads: new ones, changed ones, prices over time."""
    with work.read() as connection:
        site = sites.find(connection, work.options.site)
    for item in work.items():
        with work.attempt(item):
            while _page(work, site, item):
                work.check()


def _page(work: Work[ScrapeOptions], site: Any, item: Item) -> bool:
    """Fetch and store the item's next page; False when it was the last."""
    number = item.data["page"] + 1
    path = item.data["path"]
    if number > 1:
        path = path.rstrip("/") + "/" + site.page_path.format(page=number)
    answer = work.door.get(site.upstream, path, timeout=float(work.options.timeout_seconds))
    page = cards.parse(answer.text, answer.url, site.selectors)
    if not page.cards and number == 1:
        # An empty first page means that the layout has changed, not that nobody sells anything.
        raise BrokenAnswer(site.upstream, f"no ad found on the first page of {item.key}")
    enough = number >= item.data["pages"] or not page.has_next
    counts = {"pages": 1, "ads": len(page.cards)}
    write = work.done(item, **counts) if enough else work.save(item, counts, page=number)
    with write as connection:
        stored = listings.store(connection, site.name, item.data["id"], page.cards, site.currency)
        work.count(new=stored.new, changed=stored.changed)
        scrape_pages.put(
            connection,
            work.run_id,
            site.name,
            item.key,
            number,
            cards=len(page.cards),
            new=stored.new,
            changed=stored.changed,
        )
    if not enough and not stored.new and not item.data["first"]:
        # Ads are newest first: a page with nothing new ends the category.
        with work.done(item):
            pass
        return False
    return not enough
