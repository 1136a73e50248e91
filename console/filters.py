"""What templates use beside Jinja2's own."""

from __future__ import annotations

from jinja2 import Environment


def install(environment: Environment) -> None:
    """Put our filters and values into ``environment``."""
