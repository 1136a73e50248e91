"""Errors that only price sources raise."""

from workers.errors import NotFound, SettingMissing, UpstreamError, WatchkeeperError


class PremiumOnly(UpstreamError):
    """The call is not part of the key's plan; ``smaller``: a call for less may be."""

    def __init__(self, upstream: str, detail: str, *, smaller: bool) -> None:
        super().__init__(upstream, detail)
        self.smaller = smaller


class NotCovered(NotFound):
    """The source has no symbols of this kind, so that the symbol may exist nevertheless."""


class NoBars(NotFound):
    """The source answered, but has no bars of the symbol in the range."""


class SettingRefused(SettingMissing):
    """A setting has a value that does not work; it ends the run."""

    def __init__(self, variable: str, why: str) -> None:
        WatchkeeperError.__init__(self, f"{variable} does not work: {why}")
        self.variable = variable
