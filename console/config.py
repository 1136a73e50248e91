"""The console's settings as it uses them: addresses, cookie, proxies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from workers.settings import settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class WrongSetting(Exception):
    """A setting that the console cannot serve with; the text says what to write."""


@dataclass(frozen=True)
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
        if self.url is None:
            return
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
            raise WrongSetting("WATCHKEEPER_CONSOLE_URL must be like https://watch.example.org")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise WrongSetting(
                "WATCHKEEPER_CONSOLE_URL must begin with https:// unless it is on loopback:"
                " a login must not cross a network in the clear"
            )

    @classmethod
    def from_settings(cls) -> Config:
        given = settings()
        names = ("bind", "port", "url", "session_hours", "flower_url")
        own = {name: getattr(given, f"console_{name}") for name in names}
        return cls(given.libpq_dsn, proxies=_networks(given.console_proxies), **own)

    @cached_property
    def address(self) -> str:
        return (self.url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @cached_property
    def _parts(self) -> SplitResult:
        return urlsplit(self.address)

    @cached_property
    def origins(self) -> frozenset[str]:
        """What `Origin` may be where a browser sends no Sec-Fetch-Site."""
        if self.url is not None:
            return frozenset({f"{self._parts.scheme}://{self._parts.netloc}"})
        return frozenset(f"http://{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    @property
    def is_secure(self) -> bool:
        return self._parts.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        return self._parts.hostname in LOOPBACK

    @property
    def cookie(self) -> str:
        # Browsers accept the prefix only with Secure, and Secure only over TLS.
        return "__Host-watchkeeper" if self.is_secure else "watchkeeper"

    def knows_host(self, host: str) -> bool:
        """Whether a request may carry this Host: the configured one, or loopback's names."""
        try:
            parts = urlsplit(f"//{host}")
            return parts.netloc == self._parts.netloc or parts.hostname in LOOPBACK
        except ValueError:
            return False

    def trusts(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self.proxies)
        except ValueError:
            return False


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise WrongSetting(f"WATCHKEEPER_CONSOLE_PROXIES: {error}") from error
