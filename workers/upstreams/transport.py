"""One HTTP exchange with a deadline that nothing stretches, on connections of `network`."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from workers.errors import AddressRefused, BrokenResponse, Unavailable
from workers.settings import settings
from workers.upstreams import deadline, network
from workers.upstreams.requests import Request
from workers.upstreams.responses import Response

#: How long a connection is kept for the next call to its upstream (seconds).
KEEP_ALIVE = 15.0


class NotConnected(Unavailable):
    """No connection: the upstream saw nothing, so that anything may be asked again."""


class TimedOut(Unavailable):
    """The time of an exchange was over first; whether the upstream counted it is unknown."""


class ConnectionLost(Unavailable):
    """The connection broke after sending."""


class Stream(httpcore2.NetworkStream):
    """One connection of the HTTP client; the socket keeps the time, not the client."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._peer = str(sock.getpeername()[0])

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _told_as(httpcore2.ReadTimeout, httpcore2.ReadError):
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # At each call: a kept connection is of no more use once its network has left the list.
        network.check(self._peer)
        with _told_as(httpcore2.WriteTimeout, httpcore2.WriteError):
            self._sock.sendall(buffer)

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        with _told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                return Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
            except BaseException:
                self.close()
                raise

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return None
        # Readable while idle: its server has closed it.
        if self._sock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))


class Backend(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        with _told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            return Stream(network.connect(host, port))


@contextmanager
def _told_as(overdue: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """What a socket raises, in the HTTP client's words."""
    try:
        yield
    except TimeoutError as error:
        raise overdue(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


@dataclass(slots=True)
class _Kept:
    """The client of one upstream: its kept connections serve all threads of the process."""

    client: httpx2.Client
    in_use: int = 0
    used_at: float = 0.0


_clients: dict[str, _Kept] = {}
_lock = threading.Lock()
_looked_at = 0.0


def _new_client() -> httpx2.Client:
    # As many calls in flight as threads make: permits say how many that may be.
    limits = httpx2.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE)
    carrier = httpx2.HTTPTransport(verify=network.tls_context(), trust_env=False, limits=limits)
    # httpx2 has no argument for it yet; httpcore2's is documented.
    carrier._pool._network_backend = Backend()  # noqa: SLF001
    return httpx2.Client(
        headers={"User-Agent": settings().user_agent},
        follow_redirects=False,
        trust_env=False,
        transport=carrier,
    )


@contextmanager
def _client(upstream: str) -> Iterator[httpx2.Client]:
    """The process's client for one upstream: looking for a free connection costs nothing for others."""
    with _lock:
        for rested in _take_rested():
            rested.close()
        kept = _clients.get(upstream)
        if kept is None:
            kept = _clients[upstream] = _Kept(_new_client())
        kept.in_use += 1
    try:
        yield kept.client
    finally:
        with _lock:
            kept.in_use -= 1
            kept.used_at = time.monotonic()


def _take_rested() -> list[httpx2.Client]:
    """Clients whose kept connections are of no more use; looked for now and then."""
    global _looked_at  # noqa: PLW0603 - a process's memory
    now = time.monotonic()
    if now - _looked_at < KEEP_ALIVE:
        return []
    _looked_at = now
    rested = [
        name for name, one in _clients.items() if not one.in_use and one.used_at < now - KEEP_ALIVE
    ]
    return [_clients.pop(name).client for name in rested]


def reset(*, close: bool = True) -> None:
    """Forget the clients; in a forked child with ``close=False``, the parent still uses its sockets."""
    global _lock  # noqa: PLW0603 - a lock that another thread held at the fork is held for ever
    _lock = threading.Lock()
    for kept in _clients.values():
        if close:
            kept.client.close()
    _clients.clear()
    deadline.reset()


@contextmanager
def _plain_errors(upstream: str) -> Iterator[None]:
    """What may go wrong on a wire, as errors of the upstream."""
    try:
        yield
    except network.Refused as error:
        raise AddressRefused(upstream, str(error)) from None
    except httpx2.InvalidURL:
        raise BrokenResponse(upstream, "names an address that is not valid") from None
    except httpx2.ConnectTimeout:
        raise NotConnected(upstream, "could not connect in time") from None
    except (httpx2.ConnectError, httpx2.UnsupportedProtocol) as error:
        raise NotConnected(upstream, str(error) or type(error).__name__) from None
    except (httpx2.TimeoutException, TimeoutError):
        raise TimedOut(upstream, "the response was not complete in time") from None
    except httpx2.DecodingError:
        raise BrokenResponse(upstream, "the response is not in the encoding that it declares") from None
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise ConnectionLost(upstream, type(error).__name__) from None


def exchange(request: Request, until: float) -> Response:
    """Send one request and read its whole answer before ``until`` (monotonic clock, seconds).

    Raises NotConnected, TimedOut, ConnectionLost, AddressRefused, or BrokenResponse.
    """
    content, options = bytearray(), request.options
    with (
        _plain_errors(request.upstream),
        deadline.until(until),
        _client(request.upstream) as client,
        client.stream(
            request.method,
            request.url,
            params=options.params,
            headers=request.headers,
            json=options.body,
            content=options.content,
            timeout=deadline.left(),
        ) as response,
    ):
        for chunk in response.iter_bytes(65536):
            content += chunk
            if len(content) > options.max_bytes:
                raise BrokenResponse(
                    request.upstream, f"answer is longer than {options.max_bytes} bytes"
                )
            deadline.left()
    return Response(
        request.upstream,
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
