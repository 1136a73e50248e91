"""`tasks.listings.scrape`: reads the list pages of a site's categories and stores their listings."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from pydantic import Field

from tasks.listings import categories, fetchers, site_turns, sites
from tasks.listings.category_reader import CategoryReader
from tasks.listings.sites import Source
from tasks.listings.watch import WATCH
from workers.db import driver
from workers.errors import HandBack, OptionsError
from workers.execution import BROWSER_QUEUE, Item, Work, app, count_words
from workers.ledger import NotEmpty, Options, heartbeats

#: Delay before a run looks again whether another run still scrapes its site.
TURN_RETRY_DELAY = timedelta(seconds=15)


class ScrapeOptions(Options):
    """Site and depth; names and ranges are those of the earlier system."""

    site: str = Field("head_fi", max_length=64, description="Name of a row in table site")
    categories: list[NotEmpty] | None = Field(
        None, min_length=1, max_length=100, description="Only these (slugs); left out: those scraped"
    )
    max_pages: int | None = Field(None, ge=1, le=100, description="Pages a category, whatever else")
    initial_max_pages: int = Field(10, ge=1, le=100, description="Pages a category, its first scrape")
    scheduled_max_pages: int = Field(2, ge=1, le=20, description="Pages a category, later scrapes")
    initial_scrape_days: int = Field(
        30, ge=1, le=365, description="Unknown ads last touched before so many days are left alone"
    )
    skip_initial: bool = Field(False, description="Treat a first scrape like a later one")
    thorough: bool = Field(False, description="Treat a later scrape like a first one")
    rate_limit_delay_seconds: float | None = Field(
        None,
        ge=0.5,
        le=30,
        description="Least seconds between two pages; left out: the site's page_pause (2 if null),"
        " or the upstream's spacing if longer",
    )
    headless: bool = Field(
        True,
        description="For a site whose row says fetch_by = browser: no window (false needs a display)",
    )
    timeout_seconds: int = Field(30, ge=10, le=120, description="Longest wait for a page")


def plan(work: Work[ScrapeOptions]) -> Iterable[Item]:
    """One item a category; its data holds the depth and the cursor."""
    options = work.options
    with work.read() as connection:
        sites.find(connection, options.site)
        found = categories.find(connection, options.site, options.categories)
    missing = set(options.categories or ()) - {row.slug for row in found}
    if missing or not found:
        what = f"no category {', '.join(sorted(missing))}" if missing else "no category to scrape"
        raise OptionsError(f'{what} at site "{options.site}": see `watchkeeper listings categories`')
    _take_turn(work)
    for row in found:
        thorough = options.thorough or (row.first and not options.skip_initial)
        usual = options.initial_max_pages if thorough else options.scheduled_max_pages
        pages = options.max_pages or usual
        data = {"category": row.id, "path": row.path, "pages": pages, "thorough": thorough}
        # Below the pages that a broken scrape stored there may be new listings.
        yield Item(row.slug, data | {"catches_up": True} if row.broken else data)


def _take_turn(work: Work[ScrapeOptions]) -> None:
    """One scrape a site at a time: take the turn, or hand the batch back."""
    with work.fenced() as connection:
        holder = site_turns.take(connection, work.options.site, work.run_id)
    if holder != work.run_id:
        reason = f"{work.options.site} is being scraped by run {holder}"
        raise HandBack(reason, not_before=work.now() + TURN_RETRY_DELAY)


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 7 pages, 140 ads, 5 new, 2 changed, 1 expired."""
    pages, ads = counts.get("pages", 0), counts.get("ads", 0)
    parts = [count_words(pages, "page"), count_words(ads, "ad")]
    parts += [f"{counts.get(name, 0)} {name}" for name in ("new", "changed")]
    parts += [f"{counts[name]} {name}" for name in ("expired", "unreadable") if counts.get(name)]
    if matches := counts.get("matches"):
        parts.append(count_words(matches, "match", "matches"))
    if endless := counts.get("endless"):
        parts.append(f"{count_words(endless, 'list')} without an end")
    return ", ".join(parts)


@app.task(
    name=__name__,
    options=ScrapeOptions,
    plan=plan,
    summary=summary,
    queue=WATCH.queue,
    upstream="head_fi",
    # The categories of a site are one batch: it has the turn at its site.
    batch_size=1000,
    in_flight=8,
    min_every=timedelta(minutes=1),
    max_every=timedelta(minutes=60),
)
def scrape(work: Work[ScrapeOptions]) -> None:
    """Scrape classified ads: new ones, changed ones, their prices over time."""
    with work.read() as connection:
        site = sites.find(connection, work.options.site)
        to_browsers = site.fetch_by == "browser" and work.lease.run["queue"] != BROWSER_QUEUE
        if to_browsers and heartbeats.is_served(driver(connection), BROWSER_QUEUE):
            raise HandBack("its pages need a browser", queue=BROWSER_QUEUE)
    pause: float | None = work.options.rate_limit_delay_seconds
    pause = fetchers.default_pause(site) if pause is None else pause
    if site.fetch_by == "http" and not pause and not site.spacing:
        # Nothing is to pass between two pages: categories need not wait for one another's.
        work.each(partial(_read_alone, site, pause), at_once=site.concurrency)
        return
    with _only_browser(work, site):
        _read_in_turn(work, site, pause)


#: Where no worker serves the browsers' queue, a process has one browser all the same.
_browser = threading.Lock()


@contextmanager
def _only_browser(work: Work[ScrapeOptions], site: Source) -> Iterator[None]:
    if site.fetch_by != "browser":
        yield
        return
    if not _browser.acquire(blocking=False):
        later = work.now() + TURN_RETRY_DELAY
        raise HandBack("another browser is open in this process", not_before=later)
    try:
        yield
    finally:
        _browser.release()


def _read_in_turn(work: Work[ScrapeOptions], site: Source, pause: float) -> None:
    """Read the categories one after the other."""
    with fetchers.open_fetcher(site, work.client, headless=work.options.headless) as fetch:
        reader = CategoryReader(work, site, fetch, pause)
        work.each(lambda _, item: reader.read(item), at_once=1)


def _read_alone(site: Source, pause: float, work: Work[ScrapeOptions], item: Item) -> None:
    """Read one category beside others; its pages stay in order."""
    with fetchers.open_fetcher(site, work.client) as fetch:
        CategoryReader(work, site, fetch, pause).read(item)
