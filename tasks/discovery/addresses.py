"""Token addresses as keys (pure): the same token is found once however it is written."""

from __future__ import annotations

import re

#: Some chains put slashes, colons or dots into their addresses; none spaces, commas or other letters.
_NAME = re.compile(r"(?!\.+$)[!-+\--~]+")


def normalise(address: str) -> str:
    """Lower case for 0x addresses (EIP-55 mixes case as a checksum); base58 stays as it is."""
    text = address.strip()
    return text.lower() if text[:2].lower() == "0x" else text


def is_name(text: str) -> bool:
    """Whether a chain or an address may be asked for: printable ASCII, no comma, more than dots."""
    return _NAME.fullmatch(text) is not None
