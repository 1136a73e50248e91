"""Every error that Watchkeeper raises on purpose, in one tree.

::

    WatchkeeperError
    ├── UpstreamError          a call failed: ends the item (or the run), never the worker
    │   ├── NotFound           the thing does not exist
    │   ├── RateLimited        too many calls; the upstream is blocked for all
    │   ├── Blocked            a challenge or a refusal; nothing is bypassed
    │   ├── BrokenResponse       the response is not as documented
    │   ├── AddressRefused     calls to its address are not allowed; nothing was sent
    │   └── Unavailable        no response, or 5xx, after all attempts
    ├── OptionsError           the options do not fit the kind
    ├── SettingMissing         a required environment variable is absent
    ├── SecretRefused          a channel refers to a secret that it may not use
    └── ControlFlow            for the engine; kinds never catch it
        ├── HandBack           the batch is queued again with its unfinished items
        │   └── QuotaWait      … until a permit is free
        ├── QuotaSpent         the unfinished items are deferred to the next run
        ├── Stopped            the run was stopped
        ├── DeadlineReached    the run's deadline passed
        └── LeaseLost          another worker has the batch: write nothing more
"""

from datetime import datetime

# Tasks import them from here.
from workers.redaction import redact as redact  # noqa: PLC0414
from workers.redaction import remember as remember  # noqa: PLC0414
from workers.text.cleaning import cleaned


class WatchkeeperError(Exception):
    """Root of the tree; its text is a sentence for people and never contains a secret."""


class UpstreamError(WatchkeeperError):
    """A call failed; ``retry_after`` is the upstream's own figure (seconds), or None.

    The detail may echo our key or contain control characters, so it is cleaned and redacted here.
    """

    def __init__(self, upstream: str, detail: str, *, retry_after: float | None = None) -> None:
        # Cleaned first, because an invisible character in a key would hide it from the redaction.
        detail = redact(cleaned(detail))
        super().__init__(f"{upstream}: {detail}")
        self.upstream = upstream
        self.detail = detail
        self.retry_after = retry_after


class NotFound(UpstreamError):
    """The requested thing does not exist."""


class RateLimited(UpstreamError):
    """The upstream refuses because of too many calls."""


class Blocked(UpstreamError):
    """The upstream shows a challenge page or refuses; nothing bypasses it."""


class BrokenResponse(UpstreamError):
    """The response is not as documented; ``status`` and ``body`` are set for an unexpected status."""

    status: int | None = None
    body: bytes = b""


class AddressRefused(UpstreamError):
    """The address is neither public nor in allowed_network; nothing was sent."""


class Unavailable(UpstreamError):
    """No usable response after all attempts."""


class OptionsError(WatchkeeperError):
    """The options of a run do not fit its task."""


class SettingWrong(WatchkeeperError):
    """A variable holds what its setting cannot be; the text says which and why, never the value."""


class SettingMissing(WatchkeeperError):
    def __init__(self, variable: str, purpose: str) -> None:
        super().__init__(f"{variable} is not set: {purpose}")
        self.variable = variable


class SecretRefused(WatchkeeperError):
    """A channel refers to a secret that is not a channel's, or that cannot be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"{detail}: a channel's secret is env:WATCHKEEPER_CHANNEL_NAME"
            " or file:/run/secrets/channel-name"
        )


class ControlFlow(WatchkeeperError):
    """Ends a batch early; kinds do not catch it."""


class HandBack(ControlFlow):
    """Queue the batch again with its unfinished items; it runs at ``not_before`` (None: now).

    ``queue``: workers of that queue go on with it.
    """

    def __init__(
        self, reason: str, *, not_before: datetime | None = None, queue: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.not_before = not_before
        self.queue = queue


class QuotaWait(HandBack):
    """No permit for ``upstream`` for ``seconds``, longer than a worker may wait.

    ``blocked``: the upstream is blocked or disabled, so that another one may be called meanwhile.
    """

    def __init__(self, upstream: str, seconds: float, reason: str, *, blocked: bool = False) -> None:
        super().__init__(f"waiting for {upstream}: {reason}")
        self.upstream = upstream
        self.seconds = seconds
        self.blocked = blocked


class QuotaSpent(ControlFlow):
    """``upstream`` has no quota left, or is ``blocked``, until ``until``; too late for a run."""

    def __init__(self, upstream: str, until: datetime, reason: str, *, blocked: bool = False) -> None:
        super().__init__(f"{upstream}: {reason}")
        self.upstream = upstream
        self.until = until
        self.blocked = blocked


class Stopped(ControlFlow):
    """The run was asked to stop."""


class DeadlineReached(ControlFlow):
    """The run's deadline passed."""


class LeaseLost(ControlFlow):
    """This worker's lease is no longer valid: it must write nothing more."""
