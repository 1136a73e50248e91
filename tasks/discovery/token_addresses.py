"""Token addresses as keys (pure): one key for all spellings of an address."""

import re

#: Addresses of some chains hold slashes, colons or dots.
_NAME = re.compile(r"(?!\.+$)[!-+\--~]+")


def normalise(address: str) -> str:
    """Lower case for 0x addresses (EIP-55 mixes case as a checksum); base58 stays as it is."""
    text = address.strip()
    return text.lower() if text[:2].lower() == "0x" else text


def is_name(text: str) -> bool:
    """Whether a text can be a chain or an address: printable ASCII, no comma, not only dots."""
    return _NAME.fullmatch(text) is not None
