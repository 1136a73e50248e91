"""The body of a message for each kind of channel, built from the data of notices (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from tasks.watches import registry
from tasks.watches.watch import Fields
from tasks.watches.wording import UNKNOWN, price_text
from workers.execution import count_words

#: Discord's limits (developers/docs/resources/message, "Embed Limits").  They count code points, as
#: Python does (its maintainers in discord-api-docs #1315), of titles, descriptions, names and values,
#: of all embeds of a message together; blanks at both ends do not count, and blanks alone are no text.
MAX_CONTENT, MAX_TITLE, MAX_DESCRIPTION, MAX_NAME, MAX_VALUE = 2000, 256, 4096, 256, 1024
MAX_EMBEDS, MAX_FIELDS, MAX_CHARACTERS, MAX_URL = 10, 25, 6000, 2048
COLOUR = 0x03B2F8
_WHY = {
    "new": "New match",
    "price_drop": "Price drop",
    "relisted": "Back again",
    "changed": "Now matches",
}


@dataclass(frozen=True, slots=True)
class Note:
    """The content of one notice; ``key`` is the same at every try."""

    title: str
    text: str
    key: str | None = None
    rule: str | None = None
    url: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    at: datetime | None = None


def note_of(row: Any) -> Note:
    if row.rule is None:
        content = row.content or {}
        return Note(content.get("title", ""), content.get("text", ""), row.key)
    facts: Mapping[str, Any] = row.facts
    return Note(
        title=row.title,
        key=row.key,
        text=f"{_WHY.get(row.occasion, row.occasion)} for: {row.rule}",
        rule=row.rule,
        url=facts.get("url"),
        fields=tuple(_fields(row.occasion, facts, registry.fields(row.subject))),
        at=row.matched_at,
    )


def _fields(occasion: str, facts: Mapping[str, Any], fields: Fields) -> list[tuple[str, str]]:
    found = [("Price", _price(occasion, facts))] if "price" in fields else []
    for name, field in fields.items():
        value = facts.get(name)
        if field.label and value not in (None, "", []):
            found.append((field.label, ", ".join(value) if isinstance(value, list) else str(value)))
    return found


def _price(occasion: str, facts: Mapping[str, Any]) -> str:
    price, currency = _number(facts.get("price")), facts.get("currency")
    shown = price_text(price, currency)
    if facts.get("price_text"):
        # The currency is not known: show the price as the listing writes it.
        shown = facts["price_text"]
    old = _number(facts.get("old_price"))
    if occasion == "price_drop" and old is not None:
        shown = f"{price_text(old, currency)} → {shown}"
    return shown


def _number(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def subject_of(notes: Sequence[Note]) -> str:
    if len(notes) == 1:
        return f"{notes[0].text}: {notes[0].title}" if notes[0].rule else notes[0].title
    rules = sorted({note.rule for note in notes if note.rule})
    return count_words(len(notes), "notice") + (f" for: {', '.join(rules)}" if rules else "")


def plain_text(notes: Sequence[Note]) -> str:
    return "\n\n".join(_paragraph(note) for note in notes) + "\n"


def _paragraph(note: Note) -> str:
    lines = [note.title, note.text, *(f"{name}: {value}" for name, value in note.fields)]
    return "\n".join(line for line in [*lines, link_of(note) or ""] if line)


def link_of(note: Note) -> str | None:
    """The note's address when a browser may open it; it comes from somebody else's page."""
    if not note.url or len(note.url) > MAX_URL or not note.url.isprintable() or " " in note.url:
        return None
    try:
        parts = urlsplit(note.url)
    except ValueError:
        return None
    return note.url if parts.scheme in {"http", "https"} and parts.hostname else None


def discord(notes: Sequence[Note]) -> dict[str, Any]:
    """The body for Discord: an embed a notice, and no mentions."""
    return {
        "content": cut(subject_of(notes), MAX_CONTENT) if len(notes) > 1 else "",
        "embeds": [_embed(note) for note in notes],
        "allowed_mentions": {"parse": []},
    }


def discord_fitting(notes: Sequence[Note]) -> int:
    """How many of these notices one message takes; one alone never exceeds the limit."""
    left = MAX_CHARACTERS
    for number, note in enumerate(notes[:MAX_EMBEDS]):
        left -= _size(_embed(note))
        if left < 0:
            return number
    return min(len(notes), MAX_EMBEDS)


def _size(embed: Mapping[str, Any]) -> int:
    """Characters of an embed as Discord counts them."""
    fields = sum(len(field["name"]) + len(field["value"]) for field in embed["fields"])
    return len(embed["title"]) + len(embed["description"]) + fields


def _embed(note: Note) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": cut(note.title.strip(), MAX_TITLE) or UNKNOWN,
        "description": cut(note.text.strip(), MAX_DESCRIPTION),
        "color": COLOUR,
        "fields": [],
    }
    for name, value in note.fields[:MAX_FIELDS]:
        shown = cut(name.strip(), MAX_NAME) or UNKNOWN
        left = min(MAX_VALUE, MAX_CHARACTERS - _size(embed) - len(shown))
        if left > len(UNKNOWN):
            cell = cut(value.strip(), left) or UNKNOWN
            embed["fields"].append({"name": shown, "value": cell, "inline": True})
    if link := link_of(note):
        embed["url"] = link
    if note.at is not None:
        embed["timestamp"] = note.at.isoformat()
    return embed


def webhook(notes: Sequence[Note]) -> dict[str, Any]:
    """The body for a generic webhook: subject, text, and each notice as data."""
    return {
        "subject": subject_of(notes),
        "text": plain_text(notes),
        "notices": [
            {"title": note.title, "text": note.text, "rule": note.rule, "url": link_of(note),
             "fields": dict(note.fields), "at": note.at.isoformat() if note.at else None}
            for note in notes
        ],
    }  # fmt: skip


def cut(text: str, longest: int) -> str:
    """At most ``longest`` characters, the last of them an ellipsis when something is missing."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
