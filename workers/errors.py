"""Every error Watchkeeper raises on purpose, in one tree.

::

    WatchkeeperError
    ├── UpstreamError          a server of somebody else: ends the item (or the run), never the worker
    │   ├── NotFound           it says the thing does not exist
    │   ├── RateLimited        it says "too much"; the door is closed for everybody
    │   ├── Blocked            it shows a challenge or forbids us; nothing is bypassed
    │   ├── BrokenAnswer       it answered something that is not what it promises
    │   ├── AddressRefused     it is at an address where no call may go; nothing was sent
    │   └── Unavailable        it did not answer, or answered 5xx, after all attempts
    ├── OptionsError           a run's options are not what its kind takes
    ├── SettingMissing         an environment variable is needed and absent
    ├── SecretRefused          a channel names a secret that it may not have
    └── ControlFlow            for the engine alone: a kind never catches it
        ├── HandBack           the batch goes back with its unfinished items
        │   └── QuotaWait      … until the upstream has a permit to give
        ├── QuotaSpent         what is left is deferred to the next run
        ├── Stopped            somebody stopped the run
        ├── DeadlineReached    the run's time is over
        └── LeaseLost          another worker owns this batch now: write nothing more
"""

from __future__ import annotations

from datetime import datetime

from workers.redaction import redact
from workers.text import cleaned


class WatchkeeperError(Exception):
    """Root of the tree; its text is a sentence for a person and never holds a secret."""


class UpstreamError(WatchkeeperError):
    """An upstream did not give what was asked.

    ``retry_after`` is in seconds, as the upstream named it, or None.  Its words may echo our
    key or hold control characters: they are cleaned and redacted here, so that no place that shows
    an error need think of it.
    """

    def __init__(self, upstream: str, detail: str, *, retry_after: float | None = None) -> None:
        # Cleaned first: a key with a character nobody sees in it would not be recognised.
        detail = redact(cleaned(detail))
        super().__init__(f"{upstream}: {detail}")
        self.upstream = upstream
        self.detail = detail
        self.retry_after = retry_after


class NotFound(UpstreamError):
    """The upstream says that the thing asked for does not exist."""


class RateLimited(UpstreamError):
    """The upstream says "too much"."""


class Blocked(UpstreamError):
    """The upstream shows a challenge page or forbids us; nothing tries to get around it."""


class BrokenAnswer(UpstreamError):
    """The answer is not what the upstream's documentation promises.

    Where its status says so: ``status``, and ``body``, what came with it.
    """

    status: int | None = None
    body: bytes = b""


class AddressRefused(UpstreamError):
    """Its address is not public, and no row of allowed_network allows it; nothing was sent."""


class Unavailable(UpstreamError):
    """No usable answer after every attempt allowed."""


class OptionsError(WatchkeeperError):
    """The options of a run are not what its task takes."""


class SettingMissing(WatchkeeperError):
    """A setting that this work needs has no value."""

    def __init__(self, variable: str, purpose: str) -> None:
        super().__init__(f"{variable} is not set: {purpose}")
        self.variable = variable


class SecretRefused(WatchkeeperError):
    """A channel names a secret that is not a channel's, or one that cannot be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"{detail}: a channel's secret is env:WATCHKEEPER_CHANNEL_NAME"
            " or file:/run/secrets/channel-name"
        )


class ControlFlow(WatchkeeperError):
    """Ends a batch early, by the engine's rules; a kind lets it pass."""


class HandBack(ControlFlow):
    """Give the batch back with its unfinished items; it runs again at ``not_before`` (None: now)."""

    def __init__(self, reason: str, *, not_before: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.not_before = not_before


class QuotaWait(HandBack):
    """No permit for ``upstream`` for the next ``seconds``: longer than a worker may wait.

    ``shut``: its door is closed or it is disabled, so that another upstream may be asked meanwhile.
    """

    def __init__(self, upstream: str, seconds: float, reason: str, *, shut: bool = False) -> None:
        super().__init__(f"waiting for {upstream}: {reason}")
        self.upstream = upstream
        self.seconds = seconds
        self.shut = shut


class QuotaSpent(ControlFlow):
    """The quota of ``upstream`` is used up, or its door ``shut``, until ``until``: long for a run."""

    def __init__(self, upstream: str, until: datetime, reason: str, *, shut: bool = False) -> None:
        super().__init__(f"{upstream}: {reason}")
        self.upstream = upstream
        self.until = until
        self.shut = shut


class Stopped(ControlFlow):
    """Somebody asked for the run to stop."""


class DeadlineReached(ControlFlow):
    """The run's timeout is over."""


class LeaseLost(ControlFlow):
    """This worker's claim is no longer valid: nothing it holds may be written."""
