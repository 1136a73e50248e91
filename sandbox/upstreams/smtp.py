"""An SMTP server (aiosmtpd) that keeps every message in a mailbox file (mbox).

Recipients that begin with ``unknown`` are refused for good (550), with ``busy`` for now (450).
Faults: ``down`` answers 421 at the greeting, ``refuse`` 451 after the message, ``slow`` waits before
each answer.
"""

import asyncio
import mailbox
import time
from collections import deque
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.upstreams.base import Imitation

MAX_MESSAGE_BYTES = 5_000_000
MAX_MESSAGES = 10_000


class Mailbox:
    def __init__(self, file: Path | None) -> None:
        self.messages: deque[dict[str, Any]] = deque(maxlen=MAX_MESSAGES)
        self._box = mailbox.mbox(file) if file is not None else None

    def keep(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Keep one message; it is in the file when this returns."""
        text = raw.decode("utf-8", "replace")
        self.messages.append({"at": time.time(), "from": sender, "to": recipients, "text": text})
        if self._box is not None:
            message = mailbox.mboxMessage(raw)
            message.set_from(sender or "MAILER-DAEMON", time.gmtime())
            self._box.add(message)
            self._box.flush()


class Handler:
    def __init__(self, imitation: Imitation, box: Mailbox) -> None:
        self.imitation, self.box = imitation, box

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 no such mailbox"
        if address.startswith("busy"):
            return "450 mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        now, recipients = time.monotonic(), envelope.rcpt_tos
        refused = self.imitation.faults.left("refuse", now)
        self.imitation.calls += 1
        status = 451 if refused else 250
        self.imitation.log.add(now, f"mail to {','.join(recipients)}", status, "allowed", 1, None)
        if refused:
            return "451 try again later"
        self.box.keep(envelope.mail_from or "", recipients, envelope.original_content or b"")
        return f"250 kept as {self.imitation.calls}"


class Server(SMTP):
    """One connection, with the imitation's faults."""

    async def push(self, status: Any) -> None:
        faults = self.event_handler.imitation.faults
        if faults.slow:
            await asyncio.sleep(faults.slow)
        if self.session and not self.session.host_name and faults.left("down", time.monotonic()):
            await super().push("421 sandbox is not available")
            if self.transport is not None:
                self.transport.close()
            return
        await super().push(status)


async def listen(imitation: Imitation, box: Mailbox, port: int) -> asyncio.Server:
    """Serve SMTP on a loopback port."""
    loop, handler = asyncio.get_running_loop(), Handler(imitation, box)

    def connected() -> Server:
        return Server(
            handler,
            loop=loop,
            hostname="sandbox",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MESSAGE_BYTES,
        )

    return await loop.create_server(connected, "127.0.0.1", port)
