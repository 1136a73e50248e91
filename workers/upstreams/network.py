"""Connections to other people's servers: an address is judged, then that very address is connected to.

A name is resolved once.  Public addresses are called, others only where the owner's list allows it.
The deadline of the call (``deadline.py``) holds for resolving, connecting, TLS, each read and write.
"""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import httpx2

from workers.upstreams import addresses, allowed_networks
from workers.upstreams.deadline import in_time, left

#: An address as a socket takes it.
Target = tuple[socket.AddressFamily, tuple[Any, ...]]

#: What was refused to the library that runs in this context; None: nothing is watched.
_guarded: ContextVar[list[Refused] | None] = ContextVar("guarded", default=None)


class Refused(Exception):
    """The address is not public and no owner allowed it; nothing was sent."""

    def __init__(self, host: str, address: str, why: str) -> None:
        where = address if host == address else f"{host} is at {address}"
        allow = f"INSERT INTO allowed_network (network, note) VALUES ('{address}', 'why');"  # noqa: S608
        super().__init__(f"{where} ({why}), where no call may go; an owner can allow it: {allow}")


class _InTime(socket.socket):
    """Each operation takes no longer than what is left of the call."""

    def recv(self, *args: Any) -> bytes:
        self.settimeout(left())
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        self.settimeout(left())
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self.settimeout(left())
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        # A plain socket counts the time of the whole; a TLS one calls send().
        self.settimeout(left())
        super().sendall(*args)


class _TLS(_InTime, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(left())
        super().do_handshake(block)


@cache
def tls_context() -> ssl.SSLContext:
    """The process's TLS settings: certificates are verified, and the time of the call holds."""
    context = httpx2.create_ssl_context(trust_env=False)
    context.sslsocket_class = _TLS
    return context


def connect(host: str, port: int) -> socket.socket:
    """A connection to an address of ``host`` that may be called.

    Raises Refused when it has only others, TimeoutError, or OSError of the last address tried.
    """
    targets = _permitted(host, _resolve(host, port))
    for following, (family, where) in zip(reversed(range(len(targets))), targets, strict=True):
        one = _InTime(family, socket.SOCK_STREAM)
        try:
            # One that does not answer leaves time for those after it.
            one.settimeout(left() / (following + 1))
            one.connect(where)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return one
        except OSError:
            one.close()
            if not following:
                raise
    raise OSError(f"{host} has no address")


def _resolve(host: str, port: int) -> list[Target]:
    address = addresses.parse(host)
    if address is not None:
        return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, (host, port))]
    found = in_time((host, port), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [(family, where) for family, _, _, _, where in found]


def _permitted(host: str, targets: list[Target]) -> list[Target]:
    """Those that may be called; Refused when there are some and none may."""
    refused: Refused | None = None
    found = []
    for target in targets:
        try:
            check(str(target[1][0]), host)
            found.append(target)
        except Refused as error:
            refused = refused or error
    if refused is not None and not found:
        raise refused
    return found


def check(address: str, host: str | None = None) -> None:
    parsed = addresses.parse(address)
    if parsed is None:
        raise Refused(host or address, address, "a name, not an address")
    why = addresses.refusal(parsed)
    if why is not None and addresses.refusal(parsed, allowed_networks.listed.get()) is not None:
        raise Refused(host or str(parsed), str(parsed), why)


@contextmanager
def guarded() -> Iterator[None]:
    """Connections that any library makes inside, in this thread, are checked as well (Refused)."""
    _watch_connections()
    refused: list[Refused] = []
    before = _guarded.set(refused)
    try:
        yield
    except Exception:
        if not refused:
            raise
    finally:
        _guarded.reset(before)
    if refused:
        raise refused[0]


@cache
def _watch_connections() -> None:
    """Python tells of each connection just before it is made (PEP 578)."""

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event not in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            return
        refused, where = _guarded.get(), args[1]
        if refused is None or where is None:
            return
        try:
            check(str(where[0] if isinstance(where, tuple) else where))
        except Refused as error:
            refused.append(error)
            # Of a kind that libraries expect from a socket, and clean up after.
            raise PermissionError(errno.EACCES, str(error)) from None

    sys.addaudithook(hear)
