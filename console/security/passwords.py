"""Passwords by scrypt, at most two computed at a time in a process."""

import hashlib
import secrets
import threading
from base64 import b64decode, b64encode

#: 2^15 blocks of 8 * 128 bytes, three times over: 32 MiB and about a quarter of a second.
_COST, _BLOCK, _LANES = 2**15, 8, 3
_MAX_MEMORY = 2**26
MIN_LENGTH, MAX_LENGTH = 10, 1024
_at_once = threading.BoundedSemaphore(2)
#: Waiting longer means that somebody floods the login (seconds).
_MAX_WAIT = 5.0


class Busy(Exception):
    """Too many passwords are being checked."""


class Weak(ValueError):
    """A password that is not accepted; the text says why."""


def hashed(password: str) -> str:
    """The password as it is stored: algorithm, parameters, salt and hash."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Weak(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    salt = secrets.token_bytes(16)
    computed = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    parts = (b64encode(one).decode() for one in (salt, computed))
    return "$".join(map(str, ("scrypt", _COST, _BLOCK, _LANES, *parts)))


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the stored one; takes as long when nothing is stored."""
    if len(password) > MAX_LENGTH:
        return False
    if stored is None:
        _scrypt(password, b"0" * 16, _COST, _BLOCK, _LANES)
        return False
    _, cost, block, lanes, salt, expected = stored.split("$")
    computed = _scrypt(password, b64decode(salt), int(cost), int(block), int(lanes))
    return secrets.compare_digest(computed, b64decode(expected))


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    if not _at_once.acquire(timeout=_MAX_WAIT):
        raise Busy
    try:
        return hashlib.scrypt(
            password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=_MAX_MEMORY, dklen=32
        )
    finally:
        _at_once.release()
