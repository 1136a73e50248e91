"""E-mail by SMTP: the upstream's base_url is smtp://host:port, smtps:// or smtp+starttls://.

User and password, when the server wants them, are named after the recipients:
``anna@example.org, ben@example.org; login=env:WATCHKEEPER_CHANNEL_SMTP``, which holds user:password.
"""

import re
import smtplib
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from tasks.watches import messages
from tasks.watches.adapters.refusals import MessageRefused
from tasks.watches.channels import resolved
from tasks.watches.messages import Note
from workers.errors import BrokenResponse, NotFound, Unavailable, remember
from workers.upstreams import UpstreamClient, channel_secrets, deadline, network

DEFAULT_SENDER = "watchkeeper@localhost"
#: What a secret must hold to be a recipient: "ann@example.org" or "Ann <ann@example.org>".
_ADDRESS = re.compile(r"(?:[^<>@:;/\\,]+ <)?[^\s<>@:;/\\,]+@[A-Za-z0-9.-]+>?")
_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


def recipients(channel: Any) -> tuple[list[str], str | None]:
    given, _, login = resolved(channel.target).partition(";")
    found = [one.strip() for one in given.split(",") if one.strip()]
    if not found:
        raise BrokenResponse(channel.upstream, "target names no recipient")
    if channel_secrets.is_reference(channel.target):
        if not all(_ADDRESS.fullmatch(one) for one in found):
            # Another channel's secret would be sent as a recipient in plain text.
            raise BrokenResponse(
                channel.upstream, "the secret that target names holds no mail addresses"
            )
        remember(found)
    return found, login.strip().removeprefix("login=") or None


def _refuse_control(channel: Any, to: Sequence[str]) -> None:
    for name, value in (("sender", channel.sender or ""), ("target", ", ".join(to))):
        if channel_secrets.has_control(value):
            raise BrokenResponse(
                channel.upstream, f"{name} holds a line break or another control character"
            )


def composed(channel: Any, to: Sequence[str], notes: Sequence[Note]) -> EmailMessage:
    """The message; a second copy has the same id, a recovery refers to its incident."""
    message = EmailMessage()
    message["Subject"] = messages.cut(
        "[Watchkeeper] " + " ".join(messages.subject_of(notes).split()), 200
    )
    message["From"] = channel.sender or DEFAULT_SENDER
    message["To"] = ", ".join(to)
    message["Date"] = formatdate()
    keys = [note.key for note in notes if note.key]
    message["Message-ID"] = _id(channel.name, keys) if keys else make_msgid(domain="watchkeeper")
    told = [key.replace("recovery", "incident", 1) for key in keys if key.startswith("recovery ")]
    if told:
        message["References"] = " ".join(_id(channel.name, [key]) for key in told)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(messages.plain_text(notes))
    return message


def _id(channel: str, keys: Sequence[str]) -> str:
    return f"<{uuid5(NAMESPACE_URL, ' '.join([channel, *sorted(keys)]))}@watchkeeper>"


def send(client: UpstreamClient, channel: Any, notes: Sequence[Note]) -> str:
    to, login = recipients(channel)
    upstream = channel.upstream
    if urlsplit(channel.base_url).scheme not in _PORTS:
        raise BrokenResponse(
            upstream,
            "is not a mail server: its base_url must begin with smtp://, smtps:// or smtp+starttls://",
        )
    _refuse_control(channel, to)
    credentials = _login(login)
    message = composed(channel, to, notes)
    with client.permit(upstream, f"mail to {len(to)}"):
        try:
            refused = _deliver(channel.base_url, credentials, message)
        except smtplib.SMTPAuthenticationError as error:
            raise BrokenResponse(upstream, f"authentication failed: {_words(error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(upstream, error.recipients) from None
        except smtplib.SMTPResponseException as error:
            words = f"said {error.smtp_code}: {_words(error)}"
            if error.smtp_code < 500:
                raise Unavailable(upstream, words) from None
            # What is refused after DATA is this message: its size, what a filter thinks of it.
            kind = MessageRefused if isinstance(error, smtplib.SMTPDataError) else BrokenResponse
            raise kind(upstream, words) from None
        except smtplib.SMTPException as error:
            raise Unavailable(upstream, str(error)) from None
    left_out = f", but refused {', '.join(sorted(refused))}" if refused else ""
    return f"the server took it for {len(to) - len(refused)} of {len(to)}{left_out}"


def _login(reference: str | None) -> tuple[str, str] | None:
    if reference is None:
        return None
    user, _, password = channel_secrets.resolve(reference).partition(":")
    remember([password])
    return user, password


class _Server(smtplib.SMTP):
    """Connects to allowed networks alone, before the deadline of the call."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return network.connect(host, port)


class _SecureServer(_Server):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return network.tls_context().wrap_socket(plain, server_hostname=host)


def _deliver(
    base_url: str, credentials: tuple[str, str] | None, message: EmailMessage
) -> dict[str, tuple[int, bytes]]:
    parts = urlsplit(base_url)
    host, port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
    kind = _SecureServer if parts.scheme == "smtps" else _Server
    # smtplib would look up this machine's name without a deadline.
    with kind(host, port, local_hostname=deadline.in_time("own name", socket.getfqdn)) as server:
        if parts.scheme == "smtp+starttls":
            server.starttls(context=network.tls_context())
        if credentials:
            server.login(*credentials)
        return server.send_message(message)


def _refusal(upstream: str, found: dict[str, tuple[int, bytes]]) -> NotFound | Unavailable:
    """The error when every recipient is refused: permanent only when each refusal is."""
    words = "; ".join(
        f"{who}: {code} {text.decode('utf-8', 'replace')}" for who, (code, text) in found.items()
    )
    kind = NotFound if all(code >= 500 for code, _ in found.values()) else Unavailable
    return kind(upstream, f"refused {words}")


def _words(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
