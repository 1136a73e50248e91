"""Every setting of Watchkeeper, typed, with its meaning; `make docs` writes its page from it."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.connections.places import CONNECTIONS, HOST_CONNECTIONS
from workers.connections.postgres import DEFAULT_BROKER_URL, DEFAULT_URL, SECRETS_DIR, libpq_dsn
from workers.errors import SettingMissing, SettingWrong

#: Queue of tasks that name none, and the queue of notices; those of watches are in their ``watch.py``.
DEFAULT_QUEUE, NOTICES_QUEUE = "upkeep", "notices"
#: Queue of batches that need a browser, each of which has a process for itself.
BROWSER_QUEUE = "browser"


class Settings(BaseSettings):
    """Read from the environment (prefix ``WATCHKEEPER_``) or from files named alike in /run/secrets."""

    model_config = SettingsConfigDict(
        env_prefix="WATCHKEEPER_",
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
        extra="ignore",
        frozen=True,
    )

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_URL),
        description="Postgres: postgresql://user:password@host:port/database; a primary and its standby"
        " host:port,host:port/database?target_session_attrs=read-write",
    )
    admin_database_url: SecretStr | None = Field(
        None,
        description="For the migrate step only: an administrator, who creates the other logins",
    )
    service_database_url: SecretStr | None = Field(
        None, description="For the migrate step only: the login of beat and workers, which it creates"
    )
    operator_database_url: SecretStr | None = Field(
        None, description="For the migrate step only: a login of role operator, which it creates"
    )
    console_database_url: SecretStr | None = Field(
        None,
        description="For the migrate step only: the console's login, which it creates (user: console)",
    )
    app: str = Field(
        "workers.app",
        description="Celery applications whose tasks the migrate step registers, e.g. shop.celery;"
        " several with commas",
    )
    broker_url: SecretStr = Field(
        SecretStr(DEFAULT_BROKER_URL),
        description="Redis, for messages only: redis://host:port/number; with Sentinel"
        " sentinel://host:26379/number;sentinel://…",
    )
    broker_master: str | None = Field(
        None, description="Name under which Sentinel watches the Redis of sentinel:// addresses"
    )
    sentinel_password: SecretStr | None = Field(
        None, description="Password of the Sentinels themselves, where they have one"
    )
    alpha_vantage_api_key: SecretStr | None = Field(
        None, description="Key for Alpha Vantage; without it price runs fail with a hint"
    )
    user_agent: str = Field(
        "Watchkeeper/0.1 (polite watcher; set WATCHKEEPER_USER_AGENT to your contact)",
        description="User-Agent header of every call",
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="console for people, json for machines: one object per line"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Minimum level that is logged"
    )
    lease_seconds: float = Field(
        30.0, ge=1, le=600, description="A batch of a silent worker is rescued after this (seconds)"
    )
    stop_seconds: float = Field(
        45.0, ge=1, le=3600, description="Time limit of a worker's warm shutdown (seconds)"
    )
    slots: int = Field(
        16, ge=1, le=256, description="Batches that one process of a worker works at once"
    )
    resend_after_seconds: float = Field(
        10.0,
        ge=0.5,
        le=3600,
        description="A message not started after this is sent again if it is lost (seconds)",
    )
    sweep_seconds: float = Field(
        30.0,
        ge=0.5,
        le=300,
        description="Interval of beat's full check, which covers lost notifications (seconds)",
    )
    claim_limit: int = Field(
        250, ge=1, le=1000, description="Maximum of due times that one tick of beat claims"
    )
    gather_seconds: float = Field(
        0.035,
        ge=0,
        le=1,
        description="How long due times are gathered while over 50 a second come due; each of several"
        " beats gathers for as many times longer (seconds)",
    )
    listen: bool = Field(
        True,
        description="LISTEN for edits; false behind a transaction pooler (PgBouncer): beat looks"
        " ten times a second, no statement is prepared",
    )
    relax_intervals: bool = Field(
        False,
        description="Every kind's shortest interval is 1 s; other limits hold (sandbox, tests)",
    )
    replay_csv: Path | None = Field(
        None, description="CSV of daily bars for the replay source of prices (.csv or .csv.gz)"
    )
    heartbeat_dir: Path | None = Field(
        None, description="Directory where each working process touches a file, for health checks"
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of /metrics of a worker or a beat; left out: none",
    )
    metrics_address: str = Field(
        "127.0.0.1", description="Address of /metrics; 0.0.0.0 for all, as in a container"
    )
    chromium: Path | None = Field(
        None, description="Chromium for sites that need a browser; left out: the one on PATH"
    )
    chromium_sandbox: bool = Field(
        True,
        description="Chromium's own sandbox; false where a container forbids it (root: always off)",
    )
    console_bind: str = Field(
        "127.0.0.1",
        description="Address that the console listens on; 0.0.0.0 for all, as in a container",
    )
    console_port: int = Field(8080, ge=1, le=65535, description="Port that the console listens on")
    console_url: str | None = Field(
        None,
        description="Address of the console in browsers, https://watch.example.org; left out: loopback"
        " alone",
    )
    console_proxies: str = Field(
        "",
        description="Networks of proxies whose X-Forwarded-For the console believes, joined by commas",
    )
    console_session_hours: float = Field(
        12.0, gt=0, le=168, description="An unused login of the console ends after this (hours)"
    )
    console_flower_url: str | None = Field(
        None, description="Address of Flower in browsers, for the console's links to it"
    )
    quota_wait_seconds: float = Field(
        2.0, ge=0, le=10, description="Maximum time a worker process waits for a permit (seconds)"
    )

    connections: int = Field(
        CONNECTIONS, ge=2, le=8, description="Connections to Postgres that one process opens at most"
    )
    host_connections: int = Field(
        HOST_CONNECTIONS,
        ge=8,
        le=10_000,
        description="Connections to Postgres that all processes of a host (or container) open together",
    )

    @property
    def libpq_dsn(self) -> str:
        return libpq_dsn(self.database_url.get_secret_value())

    def require(self, name: str, purpose: str) -> str:
        value: SecretStr | None = getattr(self, name)
        if value is None or not value.get_secret_value():
            raise SettingMissing(f"WATCHKEEPER_{name.upper()}", purpose)
        return value.get_secret_value()


@cache
def settings() -> Settings:
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        wrong = (f"WATCHKEEPER_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        # Not from it, because that one shows the value, which may be a secret.
        raise SettingWrong("; ".join(wrong)) from None
