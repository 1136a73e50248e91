"""What every connection to Postgres has: its address, session settings and keepalives.

It imports nothing large: a command that only reads starts with this and the driver.
"""

import os
from pathlib import Path
from typing import Any

#: Folder of mounted secrets on container platforms, one file per setting.
SECRETS_DIR = Path("/run/secrets")
DEFAULT_BROKER_URL = "redis://127.0.0.1:6379/0"
DEFAULT_URL = "postgresql://watchkeeper@127.0.0.1:5432/watchkeeper"

#: What the driver reads and our statements mean, whatever the database or the login prefer.
PLAIN_SESSION = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
    "idle_session_timeout": "0",
}
#: Session settings of all connections of the program: no statement waits forever for a lock.
SESSION_OPTIONS = (
    "".join(f"-c {name}={value.replace(' ', chr(92) + ' ')} " for name, value in PLAIN_SESSION.items())
    + "-c lock_timeout=5s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
    " -c timezone=UTC -c jit=off"
)
#: Variables that libpq itself sets in each session, over any option.
_LIBPQ_OVERRIDES = ("PGDATESTYLE", "PGTZ", "PGGEQO")
#: For connections whose statements want few rows of large tables, by their keys.  Their plans do not
#: depend on the values, so each is made once: left to itself, Postgres plans a take, the end of a batch
#: and a tick each time once it knows the tables to be large, at up to half of the statement's cost.
FAVOUR_INDEXES = """
select set_config(name, value, false)
  from (values ('random_page_cost', '1.1'), ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'),
               ('enable_mergejoin', 'off'), ('plan_cache_mode', 'force_generic_plan')
       ) as favoured(name, value)
"""
#: SQLSTATE of a write on a server that only reads, as a standby does: the next connection may reach
#: the primary, this one never does.
READ_ONLY = "25006"
#: Where Postgres refuses a statement that a session has prepared, when a revision has since changed its
#: columns.  In a session that is kept it would be refused for ever.  (The text is translated.)
_REFUSES_STALE = ("0A000", "RevalidateCachedQuery")
#: What is wrong where Postgres only reads, and what to do about it.
READ_ONLY_WORDS = (
    "Postgres only reads: it is a standby, or default_transaction_read_only is on",
    "let WATCHKEEPER_DATABASE_URL name the primary, or switch that setting off (who set it, and why?)",
)
KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}


def libpq_dsn(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def setting(name: str) -> str | None:
    """A setting as `workers.settings` finds it: the variable in any case, else the mounted file."""
    wanted = f"watchkeeper_{name}"
    for key in (wanted.upper(), *os.environ):
        if key.lower() == wanted and key in os.environ:
            return os.environ[key]
    try:
        file = next(path for path in SECRETS_DIR.iterdir() if path.name.lower() == wanted)
        return file.read_text("utf-8").strip()
    except (OSError, StopIteration):
        return None


def database_dsn() -> str:
    """The address of the database for libpq (contains the password)."""
    return libpq_dsn(setting("database_url") or DEFAULT_URL)


def is_pooled() -> bool:
    """Whether the address is a transaction pooler's: each transaction may have another session."""
    return (setting("listen") or "").lower() in {"0", "off", "f", "false", "n", "no"}


def ends_connection(error: Any) -> bool:
    """Whether after this error of the driver its connection is of no more use, though it is open."""
    return error.sqlstate == READ_ONLY or (error.sqlstate, error.diag.source_function) == _REFUSES_STALE


def connect_args(application: str) -> dict[str, Any]:
    """Arguments of libpq for ``application`` (shown in pg_stat_activity and in the audit).

    Behind a pooler the settings of the session are those of the login, and nothing is prepared.
    """
    for name in _LIBPQ_OVERRIDES:
        os.environ.pop(name, None)
    session: dict[str, Any] = (
        {"prepare_threshold": None} if is_pooled() else {"options": SESSION_OPTIONS}
    )
    return {**KEEPALIVE, "application_name": application, **session}


def engine_args(url: str, application: str) -> dict[str, Any]:
    """Arguments of SQLAlchemy's engine: libpq alone reads the address, which may name several hosts."""
    from psycopg.conninfo import conninfo_to_dict

    given = {**conninfo_to_dict(libpq_dsn(url)), **connect_args(application)}
    return {"url": "postgresql+psycopg://", "connect_args": given}
