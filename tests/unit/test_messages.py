"""What a message looks like, byte for byte, in each kind of channel.

After a change on purpose: ``WATCHKEEPER_GOLDEN=write pytest tests/unit/test_messages.py``, and read the diff.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.watches import messages
from tasks.watches.adapters import by_email

GOLDEN = Path(__file__).parents[1] / "fixtures" / "messages"
FOUND_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def matched(number: int, title: str, occasion: str = "new", **facts: Any) -> Any:
    """A notice of a match, as the outbox is read."""
    return SimpleNamespace(
        key=f"match {number}", rule="hd650", subject="listing", occasion=occasion, title=title, matched_at=FOUND_AT, content=None,
        facts={"price": "220.00", "currency": "USD", "url": f"https://www.head-fi.org/classifieds/{number}/", **facts},
    )  # fmt: skip


def told(key: str, title: str, text: str) -> Any:
    return SimpleNamespace(key=key, rule=None, content={"title": title, "text": text})


CASES: dict[str, list[Any]] = {
    "one": [
        matched(
            1, "Sennheiser HD 650", condition="Excellent", shipping_regions=["US", "Canada"],
            seller_username="ann", category="full-size",
        )
    ],
    "price_drop": [matched(2, "DAC & amp <used>", "price_drop", old_price="250", price="199.50")],
    "several": [matched(3, "*Cable* @everyone", price=None), matched(4, "A" * 300, url="javascript:alert(1)")],
    "incident": [told("incident 7", "prices failed 3 times in a row", "alpha_vantage is out of reach")],
    "recovery": [told("recovery 7", "Recovered: prices failed 3 times in a row", "It lasted 0:12:00.")],
    "odd": [matched(5, "Grüße\r\nBcc: everyone@example.org 🎧", seller_username="")],
}  # fmt: skip


def compare(name: str, made: str) -> None:
    path = GOLDEN / name
    if os.environ.get("WATCHKEEPER_GOLDEN") == "write":
        path.write_bytes(made.encode())
    assert made == path.read_bytes().decode()


@pytest.mark.parametrize("case", CASES)
def test_discord_is_told_in_these_words(case: str) -> None:
    notes = [messages.note_of(row) for row in CASES[case]]

    compare(
        f"{case}.discord.json", json.dumps(messages.discord(notes), indent=2, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("case", CASES)
def test_a_webhook_is_told_in_these_words(case: str) -> None:
    notes = [messages.note_of(row) for row in CASES[case]]

    compare(
        f"{case}.webhook.json", json.dumps(messages.webhook(notes), indent=2, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("case", CASES)
def test_a_mailbox_is_told_in_these_words(case: str) -> None:
    notes = [messages.note_of(row) for row in CASES[case]]
    channel = SimpleNamespace(name="phone", sender="watch@example.org")
    mail = by_email.composed(channel, ["ann@example.org", "ben@example.org"], notes)
    mail.replace_header("Date", "Mon, 23 Nov 2026 08:00:00 -0000")

    # The bytes that SMTP carries; `as_string` would depend on what a library made of the default charset.
    compare(f"{case}.eml", mail.as_bytes().decode())


def test_a_second_try_carries_the_same_id_and_a_recovery_answers_its_incident() -> None:
    channel = SimpleNamespace(name="phone", sender=None)
    made = {
        case: by_email.composed(
            channel, ["a@example.org"], [messages.note_of(row) for row in CASES[case]]
        )
        for case in ("one", "incident", "recovery")
    }
    again = by_email.composed(channel, ["a@example.org"], [messages.note_of(CASES["one"][0])])

    assert made["one"]["Message-ID"] == again["Message-ID"]
    assert made["recovery"]["References"] == made["incident"]["Message-ID"]
    assert len({mail["Message-ID"] for mail in made.values()}) == 3
