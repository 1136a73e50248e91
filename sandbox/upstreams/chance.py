"""Numbers that look random and are the same for the same seed and parts, in every process."""

import hashlib
from typing import Any

_seed = [1]


def use_seed(seed: int) -> None:
    """Make another world: everything drawn from now on in this process is drawn with ``seed``."""
    _seed[0] = seed


def chance(*parts: Any) -> float:
    """A number in [0, 1) from a hash of the seed and ``parts``."""
    digest = hashlib.blake2b(repr((_seed[0], *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def pick(words: tuple[str, ...], *parts: Any) -> str:
    """One of ``words``, by ``parts``."""
    return words[int(chance(*parts) * len(words))]
