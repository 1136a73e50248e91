"""What came back from an upstream, and what it means: pure, no I/O."""

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, Unavailable
from workers.redaction import redact
from workers.text.cleaning import cleaned
from workers.upstreams.retry import http_date, is_retryable, retry_after

#: Parts of the pages that sites show instead of an answer to tell people from programs.
CHALLENGE_MARKS = (
    "just a moment",
    "checking your browser",
    "cf-challenge",
    "cf-wrapper",
    "cf_chl",
    "captcha",
    "attention required",
    "ddos protection",
)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{1,40})", re.IGNORECASE)
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
#: What browsers read for a name (WHATWG Encoding Standard): who says Latin-1 means Windows' code page.
_READ_AS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874",
    "tis-620": "cp874", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "x-sjis": "cp932",
    "windows-31j": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
}  # fmt: skip
#: Python's own, which no page is in; a long text in punycode would take hours.
_NOT_OF_PAGES = frozenset({"punycode", "idna", "utf-7", "unicode-escape", "raw-unicode-escape"})
#: How far into a page the marks are looked for (bytes).
CHALLENGE_DEPTH = 20_000


@dataclass(frozen=True, slots=True)
class Validators:
    """What an earlier answer said of itself, so that the upstream may answer "not modified"."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """As request headers (RFC 9110 §13.1)."""
        pairs = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Response:
    upstream: str
    status: int
    url: str
    headers: Mapping[str, str]
    content: bytes
    encoding: str | None = "utf-8"

    @property
    def text(self) -> str:
        """The body as text, in the encoding that its first bytes, else the answer, else the page names.

        Bytes that it cannot decode are replaced; an unknown encoding is read as UTF-8.
        """
        marked = (name for mark, name in _BYTE_ORDER_MARKS.items() if self.content.startswith(mark))
        name = next(marked, None) or _codec(self.encoding or _said_in(self.content))
        try:
            return self.content.decode(name, "replace")
        except (LookupError, UnicodeError):
            return self.content.decode("utf-8", "replace")

    @property
    def not_modified(self) -> bool:
        """Whether the upstream says that what we have is still true (304)."""
        return self.status == 304

    @property
    def validators(self) -> Validators:
        """To be sent with the next call for the same thing."""
        return Validators(self.headers.get("etag"), self.headers.get("last-modified"))

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            # Redacted before it is cut: half a key would not be recognised.
            start = redact(cleaned(self.text))[:80]
            raise BrokenResponse(
                self.upstream, f"the response is not JSON; it begins: {start!r}"
            ) from None


def _said_in(page: bytes) -> str | None:
    """The encoding that a page names at its beginning (HTML Living Standard, "encoding sniffing")."""
    found = _META.search(page[:1024])
    return found.group(1).decode("ascii") if found else None


def _codec(name: str | None) -> str:
    label = (name or "utf-8").strip().lower()
    try:
        label = _READ_AS.get(label) or codecs.lookup(label).name
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if label in _NOT_OF_PAGES else _READ_AS.get(label, label)


def is_challenge(answer: Response) -> bool:
    """Whether the page asks for proof of being human instead of answering."""
    if answer.headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    start = answer.content[:CHALLENGE_DEPTH].decode("utf-8", "replace").lower()
    return any(mark in start for mark in CHALLENGE_MARKS)


def refuse_challenge(answer: Response) -> None:
    """Raise Blocked when a page that asks for proof of being human stands in the place of JSON."""
    is_json = answer.content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}
    if not is_json and is_challenge(answer):
        raise Blocked(answer.upstream, "shows a challenge page")


def raise_for_status(answer: Response) -> None:
    """Raise the typed error that the status stands for; return for 2xx and 304.

    403 is read as "blocked", with or without a challenge page: asking again would not be polite.
    """
    status, upstream = answer.status, answer.upstream
    if 200 <= status < 300 or status == 304:
        return
    if status in {404, 410}:
        raise NotFound(upstream, f"answered {status}")
    now = http_date(answer.headers.get("date")) or datetime.now(UTC)
    wait = retry_after(answer.headers.get("retry-after"), now)
    if status == 429:
        raise RateLimited(upstream, "answered 429, too many requests", retry_after=wait)
    if status == 403 or (status == 503 and is_challenge(answer)):
        shown = "a challenge page" if is_challenge(answer) else "no reason"
        raise Blocked(upstream, f"answered {status} with {shown}", retry_after=wait)
    if status == 503 and wait is not None:
        raise RateLimited(upstream, "answered 503 with a Retry-After header", retry_after=wait)
    if is_retryable(status):
        raise Unavailable(upstream, f"answered {status}")
    error = BrokenResponse(upstream, f"answered {status}")
    error.status, error.body = status, answer.content
    raise error
