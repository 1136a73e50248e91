"""Token addresses as keys (pure): the same token is found once however it is written."""

from __future__ import annotations


def normalise(address: str) -> str:
    """Lower case for 0x addresses (EIP-55 mixes case as a checksum); base58 stays as it is."""
    text = address.strip()
    return text.lower() if text[:2].lower() == "0x" else text
