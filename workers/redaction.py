"""Keeps secrets out of errors, logs and rows."""

import os
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "[redacted]"

#: Query parameters and headers that carry credentials, by the names upstreams give them.
_NAMED = re.compile(
    r"(?i)\b(apikey|api_key|api-key|access_token|token|secret|password|passwd|authorization|x-api-key)"
    r"(\"?\s*[=:]\s*\"?)((?:bearer|basic|token)\s+)?([^\s&\"',;)]+)"
)
#: user:password@ in an address.
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
#: Alpha Vantage repeats the caller's key in its refusal (facts: errors.json, "daily").
_ECHOED = re.compile(r"(?i)(API key as )\S+")

#: The longest first.  Never changed, only replaced: threads read it without a lock.
_known: tuple[str, ...] = ()
_adding = threading.Lock()
os.register_at_fork(after_in_child=lambda: globals().update(_adding=threading.Lock()))


def remember(secrets: Iterable[str]) -> None:
    """Mask these values wherever they appear from now on (shorter than 6 characters: ignored)."""
    global _known  # noqa: PLW0603 - a process's memory
    new = {
        form
        for secret in secrets
        if len(secret) >= 6
        for form in (secret, quote(secret, safe=""), quote_plus(secret))
    }
    if new.issubset(_known):
        return
    with _adding:
        _known = tuple(sorted(new.union(_known), key=len, reverse=True))


def redact(text: str) -> str:
    """``text`` with everything masked that looks like, or is known to be, a secret."""
    for secret in _known:
        text = text.replace(secret, MASK)
    text = _USERINFO.sub(rf"\1:{MASK}@", text)
    text = _ECHOED.sub(rf"\g<1>{MASK}", text)
    return _NAMED.sub(rf"\g<1>\g<2>{MASK}", text)


def brief(error: BaseException) -> str:
    # For a field of a log line.
    said = redact(str(getattr(error, "orig", None) or error).strip()).partition("\n")[0]
    return f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__
