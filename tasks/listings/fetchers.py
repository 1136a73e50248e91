"""How a site's pages are fetched: by HTTP, or by a browser where its row says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

from tasks.listings import cards
from tasks.listings.sites import Source
from workers.errors import Blocked
from workers.upstreams import Browser, CallOptions, Response, UpstreamClient, is_challenge

#: Least time between two pages of a site, unless its upstream's spacing is longer or a run names one.
PAUSE = timedelta(seconds=2)


#: Brings one page; raises what the client raises.
Fetch = Callable[[str, CallOptions], Response]


@contextmanager
def opened(site: Source, client: UpstreamClient, *, headless: bool = True) -> Iterator[Fetch]:
    """How the site's pages are fetched; a browser ends with the block.

    These are pages for people: robots.txt is obeyed, whatever the upstream's row says.
    """
    if site.fetch_by == "http":
        yield lambda path, options: client.get(site.upstream, path, replace(options, obey_robots=True))
        return
    with closing(Browser(client, site.upstream, headless=headless)) as browser:
        yield browser.read


def pause(site: Source) -> float:
    """Seconds to keep between two pages beyond what the upstream's spacing keeps."""
    return 0.0 if site.spacing >= PAUSE else PAUSE.total_seconds()


def parse(site: Source, html: str, url: str) -> cards.Page:
    """The ads on a page of the site."""
    return cards.parse(html, url, site.selectors, site.id_pattern, site.currency)


def refuse_challenge(site: Source, answer: Response) -> None:
    """Raise Blocked for a page that asks for proof of being human, though its status be 200."""
    if is_challenge(answer) and not parse(site, answer.text, answer.url).cards:
        raise Blocked(site.upstream, "answered 200 with a challenge page")
