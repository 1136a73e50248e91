"""robots.txt (RFC 9309): what a site asks programs to leave alone, kept for a day."""

import time
from dataclasses import dataclass
from datetime import timedelta

from protego import Protego

from workers.errors import Blocked

#: How long a robots.txt is used before it is fetched again (seconds).
MAX_AGE = 24 * 3600.0


class Disallowed(Blocked):
    """The site asks programs to leave this page alone; the others may still be read."""


@dataclass(frozen=True, slots=True)
class Robots:
    rules: Protego
    until: float

    def allows(self, url: str, agent: str) -> bool:
        return bool(self.rules.can_fetch(url, agent))

    @property
    def is_old(self) -> bool:
        return self.until < time.monotonic()

    def delay(self, agent: str) -> timedelta | None:
        """The pause between two calls that the site asks for."""
        seconds = self.rules.crawl_delay(agent)
        return timedelta(seconds=min(float(seconds), 3600.0)) if seconds else None


def parse(body: str, *, age: float = 0.0) -> Robots:
    """Rules from a file fetched ``age`` seconds ago; the text is empty where a site has none."""
    # With a byte order mark before it, the first "User-agent" would be an unknown word.
    return Robots(Protego.parse(body.removeprefix("\ufeff")), time.monotonic() + MAX_AGE - age)
