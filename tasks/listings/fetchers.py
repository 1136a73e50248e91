"""Fetchers of a site's pages: HTTP, or a browser where the site's row says so."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from tasks.listings import cards
from tasks.listings.sites import Source
from workers.errors import Blocked
from workers.execution import computing
from workers.upstreams import Browser, CallOptions, Response, UpstreamClient, is_challenge

#: Time between two pages, unless the upstream's spacing is longer or a run or the site names another.
DEFAULT_PAUSE = timedelta(seconds=2)


#: Fetches one page; raises the errors of UpstreamClient.
Fetch = Callable[[str, CallOptions], Response]


@contextmanager
def open_fetcher(site: Source, client: UpstreamClient, *, headless: bool = True) -> Iterator[Fetch]:
    """The fetcher of a site; it obeys robots.txt whatever the upstream's row says."""
    if site.fetch_by == "http":
        yield lambda path, options: client.get(site.upstream, path, replace(options, obey_robots=True))
        return
    with closing(Browser(client, site.upstream, headless=headless)) as browser:
        yield browser.read


def default_pause(site: Source) -> float:
    pause = DEFAULT_PAUSE if site.page_pause is None else site.page_pause
    return 0.0 if site.spacing >= pause else pause.total_seconds()


def parse(site: Source, html: str, url: str, now: datetime | None = None) -> cards.Page:
    with computing():
        return cards.parse(html, url, site.selectors, site.id_pattern, site.currency, now)


def refuse_challenge(site: Source, response: Response) -> None:
    if is_challenge(response) and not parse(site, response.text, response.url).cards:
        raise Blocked(site.upstream, "answered 200 with a challenge page")
