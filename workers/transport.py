"""One HTTP exchange with a deadline that nothing stretches: the only code that touches a socket."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any

import httpx2

from workers.answers import Answer
from workers.errors import BrokenAnswer
from workers.settings import settings


class Overdue(Exception):
    """The deadline of an exchange is over; whether the upstream counted it is unknown."""


class NotSent(Exception):
    """The connection could not be made: the upstream saw nothing."""


class Broken(Exception):
    """The connection broke after sending."""


_MAKING = threading.Lock()


@cache
def _client() -> httpx2.Client:
    return httpx2.Client(
        headers={"User-Agent": settings().user_agent},
        follow_redirects=False,
        trust_env=False,
        limits=httpx2.Limits(max_connections=20, keepalive_expiry=15.0),
    )


def client() -> httpx2.Client:
    """The process's HTTP client; a forked child calls ``reset()`` first."""
    with _MAKING:
        return _client()


def reset(*, close: bool = True) -> None:
    """Forget the client; in a forked child with ``close=False``, the parent still uses its sockets."""
    if _client.cache_info().currsize:
        if close:
            _client().close()
        _client.cache_clear()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise Overdue after ``seconds``, even inside a read, where a signal can (main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_: int, __: FrameType | None) -> None:
        raise Overdue

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _plain_errors(upstream: str) -> Iterator[None]:
    """What may go wrong on a wire, in four words: Overdue, NotSent, Broken, BrokenAnswer."""
    try:
        yield
    except httpx2.InvalidURL:
        raise BrokenAnswer(upstream, "names an address that is none") from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
        raise NotSent(str(error) or type(error).__name__) from None
    except Overdue:
        # The alarm may have rung anywhere inside the client.  It rings in the main thread alone; a
        # client that other threads use as well is left to them.
        if threading.current_thread() is threading.main_thread():
            reset()
        raise
    except httpx2.TimeoutException:
        raise Overdue from None
    except httpx2.DecodingError:
        raise BrokenAnswer(upstream, "answer is not in the encoding it names") from None
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise Broken(type(error).__name__) from None


def exchange(
    upstream: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    deadline: float,
    max_bytes: int,
    params: Mapping[str, str] | None = None,
    body: Any = None,
    raw: bytes | None = None,
) -> Answer:
    """Send one request and read its whole answer before ``deadline`` (monotonic clock, seconds).

    Raises NotSent, Broken, Overdue, or BrokenAnswer when the answer is longer than ``max_bytes``.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise Overdue
    content = bytearray()
    with (
        _plain_errors(upstream),
        _alarm(left),
        client().stream(
            method,
            url,
            params=params,
            headers=headers,
            json=body,
            content=raw,
            timeout=left,
        ) as response,
    ):
        for chunk in response.iter_bytes(65536):
            content += chunk
            if len(content) > max_bytes:
                raise BrokenAnswer(upstream, f"answer is longer than {max_bytes} bytes")
            if time.monotonic() > deadline:
                raise Overdue
    return Answer(
        upstream,
        response.status_code,
        str(response.url),
        _headers(response),
        bytes(content),
        response.charset_encoding,
    )


def _headers(response: httpx2.Response) -> dict[str, str]:
    """By small names; cookies, which may hold commas, one a line."""
    found = {name.lower(): value for name, value in response.headers.items()}
    if cookies := response.headers.get_list("set-cookie"):
        found["set-cookie"] = "\n".join(cookies)
    return found
