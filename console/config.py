"""The console's settings as it uses them: addresses, cookie, proxies."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from workers.settings import settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class WrongSetting(Exception):
    """A setting that the console cannot serve with; the text says what to write."""


@dataclass
class Config:
    database_url: str
    bind: str = "127.0.0.1"
    port: int = 8080
    #: Address in browsers; None: loopback alone.
    url: str | None = None
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    session_hours: float = 12.0
    flower_url: str | None = None

    def __post_init__(self) -> None:
        self.address = (self.url or f"http://127.0.0.1:{self.port}").rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
            raise WrongSetting("WATCHKEEPER_CONSOLE_URL must be like https://watch.example.org")
        self.is_secure, self.is_loopback = parts.scheme == "https", parts.hostname in LOOPBACK
        if not self.is_secure and not self.is_loopback:
            raise WrongSetting(
                "WATCHKEEPER_CONSOLE_URL must begin with https:// unless it is on loopback:"
                " a login must not cross a network in the clear"
            )
        self._netloc = parts.netloc
        names = ("127.0.0.1", "localhost", "[::1]")
        known = (parts.netloc,) if self.url else tuple(f"{name}:{self.port}" for name in names)
        #: What `Origin` may be where a browser sends no Sec-Fetch-Site.
        self.origins = frozenset(f"{parts.scheme}://{one}" for one in known)
        # Browsers accept the prefix only with Secure, and Secure only over TLS.
        self.cookie = "__Host-watchkeeper" if self.is_secure else "watchkeeper"

    @classmethod
    def from_settings(cls) -> Config:
        given = settings()
        names = ("bind", "port", "url", "session_hours", "flower_url")
        own = {name: getattr(given, f"console_{name}") for name in names}
        return cls(given.libpq_dsn, proxies=_networks(given.console_proxies), **own)

    def knows_host(self, host: str) -> bool:
        """Whether a request may carry this Host: the configured one, or loopback's names."""
        try:
            parts = urlsplit(f"//{host}")
            return parts.netloc == self._netloc or parts.hostname in LOOPBACK
        except ValueError:
            return False


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise WrongSetting(f"WATCHKEEPER_CONSOLE_PROXIES: {error}") from error
