"""Refusals that are about one message, so that a smaller one, or another one, may be taken."""

from __future__ import annotations

from workers.errors import BrokenAnswer

#: Answers that say so: bad request, too large, not to be processed.
ABOUT_THE_MESSAGE = (400, 413, 422)


class MessageRefused(BrokenAnswer):
    """The server does not take this message, whoever sends it again; another one it may take."""
