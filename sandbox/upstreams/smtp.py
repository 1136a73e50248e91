"""A small SMTP server that keeps every message in a mailbox file (mbox): the least of RFC 5321.

Recipients that begin with ``unknown`` are refused for good (550), with ``busy`` for now (450).
Faults: ``down`` answers 421 at the greeting, ``refuse`` 451 after the message, ``slow`` waits before
each answer.
"""

from __future__ import annotations

import asyncio
import mailbox
import time
from collections import deque
from pathlib import Path
from typing import Any

from sandbox.upstreams.base import Imitation

#: Longest message taken (bytes), and longest line of a command.
LARGEST = 5_000_000
LONGEST_LINE = 1000
KEPT = 10_000


class Refused(Exception):
    """A reply that ends the command: its code and words."""


class Mailbox:
    """Messages received, in memory and in an mbox file."""

    def __init__(self, file: Path | None) -> None:
        self.messages: deque[dict[str, Any]] = deque(maxlen=KEPT)
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


class Session:
    """One connection."""

    def __init__(
        self,
        imitation: Imitation,
        box: Mailbox,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.imitation, self.box, self.reader, self.writer = imitation, box, reader, writer
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def serve(self) -> None:
        """Talk until QUIT or until the other side is gone."""
        try:
            if self.imitation.faults.left("down", time.monotonic()):
                await self._say("421 sandbox is not available")
                return
            await self._say("220 sandbox ESMTP")
            while line := await self.reader.readline():
                command = line[:LONGEST_LINE].decode("utf-8", "replace").strip()
                if command.upper().startswith("QUIT"):
                    await self._say("221 bye")
                    return
                await self._say(await self._obey(command))
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            return
        finally:
            self.writer.close()

    async def _say(self, words: str) -> None:
        if self.imitation.faults.slow:
            await asyncio.sleep(self.imitation.faults.slow)
        self.writer.write(words.encode() + b"\r\n")
        await self.writer.drain()

    async def _obey(self, command: str) -> str:
        verb, _, rest = command.partition(" ")
        try:
            match verb.upper():
                case "EHLO":
                    return f"250-sandbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {LARGEST}"
                case "HELO" | "NOOP":
                    return "250 ok"
                case "RSET":
                    self._reset()
                    return "250 ok"
                case "MAIL":
                    self._reset()
                    self.sender = _address(rest, "FROM")
                    return "250 ok"
                case "RCPT":
                    return self._recipient(_address(rest, "TO"))
                case "DATA":
                    return await self._data()
        except Refused as refused:
            return str(refused)
        return "502 command not implemented"

    def _reset(self) -> None:
        self.sender, self.recipients = None, []

    def _recipient(self, address: str) -> str:
        if self.sender is None:
            return "503 MAIL first"
        if address.startswith("unknown"):
            return "550 no such mailbox"
        if address.startswith("busy"):
            return "450 mailbox is busy"
        self.recipients.append(address)
        return "250 ok"

    async def _data(self) -> str:
        if self.sender is None or not self.recipients:
            return "503 MAIL and RCPT first"
        await self._say("354 end with a line that holds a dot only")
        raw = await self._message()
        sender, recipients = self.sender, self.recipients
        self._reset()
        if raw is None:
            return "552 message is too large"
        refused = self.imitation.faults.left("refuse", time.monotonic())
        self.imitation.calls += 1
        self.imitation.log.add(
            time.monotonic(),
            f"mail to {','.join(recipients)}",
            451 if refused else 250,
            "allowed",
            1,
            None,
        )
        if refused:
            return "451 try again later"
        self.box.keep(sender, recipients, raw)
        return f"250 kept as {self.imitation.calls}"

    async def _message(self) -> bytes | None:
        """The message without its dots (RFC 5321, 4.5.2); None when it is too large."""
        lines: list[bytes] = []
        size = 0
        while (line := await self.reader.readuntil(b"\n")).rstrip(b"\r\n") != b".":
            size += len(line)
            if size <= LARGEST:
                lines.append(line.removeprefix(b"."))
        return b"".join(lines) if size <= LARGEST else None


def _address(text: str, word: str) -> str:
    """The address of ``FROM:<a@b> …``; Refused when there is none."""
    name, _, rest = text.strip().partition(":")
    begin, end = rest.find("<"), rest.find(">")
    if name.upper() != word or begin < 0 or end < begin:
        raise Refused(f"501 {word}:<address> is expected")
    return rest[begin + 1 : end]


async def listen(imitation: Imitation, box: Mailbox, port: int) -> asyncio.Server:
    """Serve SMTP on a loopback port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Session(imitation, box, reader, writer).serve()

    return await asyncio.start_server(connected, "127.0.0.1", port, limit=LARGEST)
