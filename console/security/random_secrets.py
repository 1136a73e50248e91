"""Secrets of sessions, API tokens and login links: the database has their hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets


def new_secret() -> tuple[str, bytes]:
    """32 random bytes as text, and their hash."""
    made = secrets.token_bytes(32)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode(), hashlib.sha256(made).digest()


def hash_of(secret: str) -> bytes:
    """The hash of a secret; of what cannot be one, a hash that none has."""
    try:
        made = base64.b64decode(secret + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return hashlib.sha256(made).digest() if len(made) == 32 else b""
