"""Errors that are particular to price sources; each says what a person can do about it."""

from __future__ import annotations

from typing import Literal

from workers.errors import NotFound, RateLimited, SettingMissing, UpstreamError, WatchkeeperError

Scope = Literal["second", "minute", "hour", "day"]


class LimitReached(RateLimited):
    """The source says that a limit is reached; ``scope`` is the limit's window."""

    def __init__(self, upstream: str, detail: str, scope: Scope, retry_after: float) -> None:
        super().__init__(upstream, detail, retry_after=retry_after)
        self.scope = scope


class PremiumOnly(UpstreamError):
    """The call is not part of the key's plan; ``smaller`` says whether asking for less may be."""

    def __init__(self, upstream: str, detail: str, *, smaller: bool) -> None:
        super().__init__(upstream, detail)
        self.smaller = smaller


class NotCovered(NotFound):
    """The source does not have such symbols at all, so that its "no" says nothing about this one."""


class NoBars(NotFound):
    """The source answered, and has no bars of the symbol that were asked for."""


class BadCall(NotFound):
    """The source cannot answer such a call.

    Function and form of our calls are fixed and tested, so what it does not know is the symbol.
    """


class SettingRefused(SettingMissing):
    """A setting has a value that does not work; the run ends with the sentence."""

    def __init__(self, variable: str, why: str) -> None:
        WatchkeeperError.__init__(self, f"{variable} does not work: {why}")
        self.variable = variable
