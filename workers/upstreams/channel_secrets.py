"""Secrets that a channel may refer to: variables WATCHKEEPER_CHANNEL_…, files /run/secrets/channel-….

Operators write channels; without the prefix they could refer to any variable or file of the workers.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from workers.errors import SecretRefused, SettingMissing
from workers.redaction import remember

PREFIX = "WATCHKEEPER_CHANNEL_"
DIRECTORY = Path("/run/secrets")
#: The same two forms as in alembic/sql/channel_check.sql.
_VARIABLE = re.compile(rf"env:({PREFIX}[A-Za-z0-9_]+)")
_FILE = re.compile(r"file:/run/secrets/(channel-[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)")
#: C0, DEL, C1, line and paragraph separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_BYTES = 65536
#: A shorter part of an address ("webhooks") is no secret by itself.
MIN_LENGTH = 12


def is_reference(text: str) -> bool:
    """Whether ``text`` has the form of a reference to a secret, valid or not."""
    return text.lstrip().lower().startswith(("env:", "file:"))


def has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None


def resolve(reference: str) -> str:
    """The secret; SecretRefused when a channel may not use it, SettingMissing when it is absent."""
    if variable := _VARIABLE.fullmatch(reference):
        name = variable.group(1)
        value = os.environ.get(name, "").strip()
        missing = SettingMissing(name, f"a channel names {reference}")
    elif file := _FILE.fullmatch(reference):
        name = f"/run/secrets/{file.group(1)}"
        value, missing = _read(DIRECTORY / file.group(1), name)
    else:
        raise SecretRefused(f"{reference[:100]!r} is not a secret that a channel may name")
    if not value:
        raise missing
    remember(_parts(value))
    if has_control(value):
        raise SecretRefused(f"{reference} holds a line break or another control character")
    return value


def _read(path: Path, name: str) -> tuple[str, SettingMissing]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode().strip(), SettingMissing(name, "the file is empty")
    except OSError as error:
        return "", SettingMissing(name, f"a channel names that file ({error.strerror})")
    except UnicodeDecodeError:
        return "", SettingMissing(name, "the file is not UTF-8 text")


def remember_all() -> None:
    """Mask every channel's secret of this process's environment from now on."""
    values = [value for name, value in os.environ.items() if name.startswith(PREFIX)]
    values += [_read(path, path.name)[0] for path in DIRECTORY.glob("channel-*")]
    for value in values:
        remember(_parts(value.strip()))


def _parts(value: str) -> Iterator[str]:
    """The secret and its parts that might be shown alone: a password, a path, a token."""
    yield value
    try:
        address = urlsplit(value)
        host = address.hostname
    except ValueError:
        host = None
    else:
        if address.netloc:
            yield address.path.lstrip("/")
            yield from filter(None, (address.username, address.password))
        else:
            # user:password, the login of a mail server.
            yield value.partition(":")[2]
    for part in re.split(r"[/?&=:@;,\s]+", value):
        if len(part) >= MIN_LENGTH and part != host:
            yield part
