"""Refusals of one message: a smaller or another one may be taken."""

from workers.errors import BrokenResponse

#: Their statuses: bad request, too large, unprocessable.
ABOUT_THE_MESSAGE = (400, 413, 422)


class MessageRefused(BrokenResponse):
    """The server will never take this message; it may take another one."""
