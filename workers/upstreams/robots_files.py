"""`robots_file`: each site's robots.txt as it was fetched last: one call a day serves all processes."""

import threading
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from workers.db import driver_connect, driver_transaction, execute
from workers.errors import Blocked, BrokenResponse, NotFound, Unavailable
from workers.settings import settings
from workers.upstreams import responses, robots, upstream_states
from workers.upstreams.requests import Request
from workers.upstreams.responses import Response
from workers.upstreams.robots import Robots

#: By upstream and address of the file.
_known: dict[tuple[str, str], Robots] = {}
#: Who fetches the file of an upstream: one thread for all that wait for it.
_fetching: dict[str, threading.Lock] = {}


_READ = """
select body, extract(epoch from clock_timestamp() - fetched_at)::float8 as age from robots_file
 where upstream = %s and url = %s and fetched_at > clock_timestamp() - %s * interval '1 second'
"""


def known(upstream: str, url: str) -> Robots | None:
    """The rules that any process read less than a day ago; None when the file is to be fetched."""
    found = _remembered(upstream, url)
    if found is not None:
        return found
    with driver_connect() as connection:
        row = execute(connection, _READ, (upstream, url, robots.MAX_AGE)).fetchone()
    if row is None:
        return None
    found = _known[upstream, url] = robots.parse(row.body, age=row.age)
    return found


def _remembered(upstream: str, url: str) -> Robots | None:
    found = _known.get((upstream, url))
    return None if found is None or found.is_old else found


_STORE = """
insert into robots_file (upstream, url, body) values (%s, %s, %s)
on conflict (upstream) do update
   set url = excluded.url, body = excluded.body, fetched_at = clock_timestamp()
"""


def store(upstream: str, url: str, body: str) -> Robots:
    """Store a file that was fetched, and the pause it asks for; returns its rules."""
    found = robots.parse(body)
    with driver_transaction() as connection:
        execute(connection, _STORE, (upstream, url, body.replace("\x00", "")))
        upstream_states.set_crawl_delay(connection, upstream, found.delay(settings().user_agent))
    _known[upstream, url] = found
    return found


def obey(request: Request, site: str, deadline: float, fetch: Callable[[Request], Response]) -> None:
    """Raise Disallowed when the robots.txt of ``site`` asks programs to leave this address alone."""
    upstream = request.upstream
    url = urljoin(site, "/robots.txt")
    rules = _remembered(upstream, url) or _read(upstream, url, deadline, fetch)
    if not rules.allows(request.url, settings().user_agent):
        path = urlsplit(request.url).path
        raise robots.Disallowed(upstream, f"robots.txt does not allow {path}")


def _read(upstream: str, url: str, deadline: float, fetch: Callable[[Request], Response]) -> Robots:
    """The rules as stored, or fetched; who asks meanwhile waits for the same answer."""
    turn = _fetching.setdefault(upstream, threading.Lock())
    if not turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise Unavailable(upstream, "its robots.txt was not complete in time")
    try:
        return known(upstream, url) or store(upstream, url, _body(Request(upstream, "GET", url), fetch))
    finally:
        turn.release()


def _body(request: Request, fetch: Callable[[Request], Response]) -> str:
    """The file; empty where there is none."""
    try:
        answer = fetch(request)
    except (NotFound, BrokenResponse):
        return ""
    if responses.is_challenge(answer):
        raise Blocked(request.upstream, "showed a challenge page in place of robots.txt")
    return answer.text


def forget() -> None:
    """Forget what this process knows (after a fork; between tests)."""
    _known.clear()
    _fetching.clear()
