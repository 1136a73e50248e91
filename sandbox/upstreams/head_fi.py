"""Imitates a classifieds site in Head-Fi's markup: robots.txt, list pages, categories, ads."""

import hashlib
import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from sandbox.upstreams import ads
from sandbox.upstreams.base import Reply, Request, Site

A_PAGE = 20
ROBOTS = b"User-agent: *\nCrawl-delay: 1\nDisallow: /account/\nDisallow: /search/\n"
_CATEGORY = re.compile(r"^/classifieds/categories/([a-z0-9-]+)\.(\d+)/(?:page-(\d+))?$")
_ALL = re.compile(r"^/classifieds/(?:page-(\d+))?$")
_AD = re.compile(r"^/classifieds/(?:[^/]*\.)?(\d+)/?$")
_NEXT = '<a class="pageNav-jump pageNav-jump--next" href="{}">Next</a>'


def _field(name: str, value: str | None) -> str:
    if not value:
        return ""
    return f'<dl class="pairs pairs--columns"><dt>{name}</dt><dd>{html.escape(value)}</dd></dl>'


def _time(moment: datetime) -> str:
    return f'<time class="u-dt" datetime="{moment.isoformat(timespec="seconds")}">x</time>'


def _card(ad: ads.Ad) -> str:
    overlay = edited = ""
    if ad.overlay:
        overlay = (
            '<div class="hfcOverlayGlobal">'
            f'<span class="hfcOverlayGlobal--content">{ad.overlay}</span></div>'
        )
    if ad.edited:
        edited = f'<div class="hfcLastEditDate">Last edited: {_time(ad.edited)}</div>'
    name, _, reputation = ad.seller.partition(" (")
    reputation = f" ({reputation}" if reputation else ""
    return (
        f'<a class="hfcUserListing" href="/classifieds/{ad.slug}.{ad.external_id}/">'
        f'<div class="hfcCoverImage"><img class="hfcCoverImage--clear" src="/data/{ad.external_id}.jpg" alt="">'
        f'</div>{overlay}<div class="hfcListingTitle">{html.escape(ad.title)}</div>'
        f'<div class="hfcPrice"><span class="label">{ad.kind}</span> {ad.price}</div>'
        f'<div class="hfcCustomFields">{_field("Condition", ad.condition)}'
        f"{_field('Price negotiability', ad.negotiability)}{_field('Ships to', ad.ships_to)}</div>"
        f'<div class="hfcCreatorInfo">Listed by: <span class="username">{html.escape(name)}</span>'
        f"{reputation}</div>"
        f'<div class="hfcListingDate">Listed: {_time(ad.listed)}</div>{edited}</a>'
    )


def _page(title: str, body: str) -> bytes:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return page.encode()


def _list(categories: Sequence[int], base: str, number: int, now: float) -> bytes:
    """A list page, newest first."""
    found = sorted(((n, c) for c in categories for n in ads.up(c, now)), reverse=True)
    shown = found[(number - 1) * A_PAGE : number * A_PAGE]
    cards = "\n".join(_card(ads.ad(category, n, now)) for n, category in shown)
    following = _NEXT.format(f"{base}page-{number + 1}") if number * A_PAGE < len(found) else ""
    return _page(
        "Classifieds",
        f'<div class="hfcUserListings">{cards}</div><nav class="pageNavWrapper">{following}</nav>',
    )


def _detail(external_id: int, now: float) -> bytes | None:
    """An ad's own page; None when it is not up."""
    category, number = ads.of_id(external_id)
    if category not in ads.LEAVES or not ads.exists(category, number, now):
        return None
    ad = ads.ad(category, number, now)
    title = f"{ad.overlay}: {ad.title}" if ad.overlay else ad.title
    heading = f'<h1 class="p-title-value head-fi_generic_page_title">{html.escape(title)}</h1>'
    return _page(html.escape(title), heading + _card(ad))


def _body(path: str, now: float) -> bytes | None:
    if found := _CATEGORY.match(path):
        number = int(found[2])
        if ads.CATEGORIES.get(number) != found[1]:
            return None
        base = f"/classifieds/categories/{found[1]}.{number}/"
        return _list(ads.leaves(number), base, int(found[3] or 1), now)
    if found := _ALL.match(path):
        return _list(ads.LEAVES, "/classifieds/", int(found[1] or 1), now)
    if found := _AD.match(path):
        return _detail(int(found[1]), now)
    return None


class _Changes:
    """When each page was last seen to change: what Last-Modified says."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def changed_at(self, path: str, etag: str, now: float) -> datetime:
        known = self._seen.get(path)
        if known is None or known[0] != etag:
            self._seen[path] = known = etag, now
        return datetime.fromtimestamp(int(known[1]), UTC)


_changes = _Changes()


def _unchanged(request: Request, etag: str, changed_at: datetime) -> bool:
    """Whether the caller has this already; an ETag decides over a date (RFC 9110, 13.2.2)."""
    if tags := request.headers.get("If-None-Match"):
        return etag in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    try:
        since = parsedate_to_datetime(request.headers.get("If-Modified-Since", ""))
    except ValueError:
        return False
    # A date has whole seconds: within its second the page may have changed unseen.
    return changed_at < since if since.tzinfo else False


def respond(request: Request) -> Reply:
    """Answer one call."""
    if request.path == "/robots.txt":
        return 200, {"Content-Type": "text/plain"}, ROBOTS
    body = _body(request.path, request.now)
    if body is None:
        missing = _page("Oops", "<p>The requested page could not be found.</p>")
        return 404, {"Content-Type": "text/html; charset=utf-8"}, missing
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    changed_at = _changes.changed_at(request.path, etag, request.now)
    validators = {"ETag": etag, "Last-Modified": format_datetime(changed_at, usegmt=True)}
    if _unchanged(request, etag, changed_at):
        return 304, validators, b""
    return 200, {"Content-Type": "text/html; charset=utf-8", **validators}, body


SITE = Site("head_fi", respond, limits=[(60, 60.0)], pages=True)
