"""Imitates a classifieds site in Head-Fi's markup: ads come, get cheaper, are sold, vanish."""

from __future__ import annotations

import hashlib
import html
import re
import time
from datetime import UTC, datetime

from sandbox.upstreams.base import Handler, Reply
from sandbox.upstreams.tokens import chance

LIMITS = [(60, 60.0)]
#: A new ad appears in each category so often (seconds), and leaves after so long.
BIRTH = 15.0
LIFE = 40 * 60.0
A_PAGE = 20
MODELS = (
    "HD800S",
    "Utopia",
    "U12t",
    "Arya Stealth",
    "LCD-X",
    "Hugo 2",
    "Mojo",
    "Bathys",
    "HD600",
    "SR-009",
    "Clear",
)
MAKERS = ("Sennheiser", "Focal", "64 Audio", "HiFiMAN", "Audeze", "Chord", "Stax")
TYPES = ("For Sale", "For Sale", "For Sale", "For Sale/Trade", "Want To Buy", "Trade Only")
CONDITIONS = ("New", "Excellent/Like new", "Excellent", "Good", "Fair")
ROBOTS = b"User-agent: *\nCrawl-delay: 1\nDisallow: /account/\nDisallow: /search/\n"
_CATEGORY = re.compile(r"^/classifieds/categories/[a-z-]+\.(\d+)/(?:page-(\d+))?$")
_ALL = re.compile(r"^/classifieds/(?:page-(\d+))?$")


def _pick(words: tuple[str, ...], *key: object) -> str:
    return words[int(chance(*key) * len(words))]


def _ads(category: int, now: float) -> list[int]:
    """Numbers of the ads that are up, newest first."""
    newest, oldest = int(now // BIRTH), int((now - LIFE) // BIRTH)
    return [n for n in range(newest, oldest, -1) if chance("up", category, n) < 0.5]


def _card(category: int, number: int, now: float) -> str:
    key = (category, number)
    age = now - number * BIRTH
    external_id = 100_000 + number % 1_000_000_000 * 20 + category
    title = f"{_pick(MAKERS, 'm', *key)} {_pick(MODELS, 'x', *key)} ({number % 997})"
    price = round(50 + 3000 * chance("price", *key) ** 2) * (
        0.9 if age > 600 and number % 3 == 0 else 1
    )
    overlay = ""
    if age > 900 and number % 4 == 0:
        overlay = f'<div class="hfcOverlayGlobal"><span class="hfcOverlayGlobal--content">{_pick(("Sold", "Closed", "Traded"), *key)}</span></div>'
    listed = datetime.fromtimestamp(number * BIRTH, UTC).isoformat(timespec="seconds")
    return (
        f'<a class="hfcUserListing" href="/classifieds/{re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")}.{external_id}/">'
        f'<div class="hfcCoverImage"><img class="hfcCoverImage--clear" src="/data/{external_id}.jpg" alt=""></div>{overlay}'
        f'<div class="hfcListingTitle">{html.escape(title)}</div>'
        f'<div class="hfcPrice"><span class="label">{_pick(TYPES, "t", *key)}</span> {price:,.2f} USD</div>'
        f'<div class="hfcCustomFields"><dl class="pairs"><dt>Condition</dt><dd>{_pick(CONDITIONS, "c", *key)}</dd></dl>'
        '<dl class="pairs"><dt>Price negotiability</dt><dd>Firm</dd></dl>'
        '<dl class="pairs"><dt>Ships to</dt><dd>CONUS, Canada</dd></dl></div>'
        f'<div class="hfcCreatorInfo">Listed by: <span class="username">user-{number % 313}</span> ({number % 90})</div>'
        f'<div class="hfcListingDate">Listed: <time class="u-dt" datetime="{listed}">x</time></div></a>'
    )


def _page(categories: list[int], page: int, now: float) -> str:
    found = sorted(((n, c) for c in categories for n in _ads(c, now)), reverse=True)
    shown = found[(page - 1) * A_PAGE : page * A_PAGE]
    cards = "\n".join(_card(category, number, now) for number, category in shown)
    following = ""
    if page * A_PAGE < len(found):
        following = (
            f'<nav><a class="pageNav-jump pageNav-jump--next" href="page-{page + 1}">Next</a></nav>'
        )
    return (
        "<!DOCTYPE html><html><head><title>Classifieds</title></head><body>"
        f'<div class="hfcUserListings">{cards}</div>{following}</body></html>'
    )


def respond(handler: Handler) -> Reply:
    """Answer one call."""
    path, now = handler.request.path, time.time()
    if path == "/robots.txt":
        return 200, {"Content-Type": "text/plain"}, ROBOTS
    in_category, everywhere = _CATEGORY.match(path), _ALL.match(path)
    if in_category:
        body = _page([int(in_category.group(1))], int(in_category.group(2) or 1), now).encode()
    elif everywhere:
        body = _page([2, 3, 5, 6, 8, 9, 10, 11, 12, 13], int(everywhere.group(1) or 1), now).encode()
    else:
        return 404, {"Content-Type": "text/html"}, b"<html><body>not found</body></html>"
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    if handler.request.headers.get("If-None-Match") == etag:
        return 304, {"ETag": etag}, b""
    return 200, {"Content-Type": "text/html; charset=utf-8", "ETag": etag}, body
