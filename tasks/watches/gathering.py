"""Many notices in one message (pure): lines instead of embeds, for a channel near its limit."""

from collections.abc import Sequence

from tasks.watches.messages import MAX_DESCRIPTION, Note, cut, link_of, subject_of

#: Characters of a line, which is cut, and of an address, which is left out.
MAX_LINE, MAX_LINK = 300, 300


def gathered(notes: Sequence[Note]) -> tuple[Note, int]:
    """One note with as many of ``notes`` as fit, and how many those are."""
    lines: list[str] = []
    room = MAX_DESCRIPTION
    for note in notes:
        line = _line(note)
        if lines and len(line) + 1 > room:
            break
        lines.append(cut(line, MAX_DESCRIPTION))
        room -= len(line) + 1
    taken = notes[: len(lines)]
    # A second try of the same message has the same key.
    return Note(subject_of(taken), "\n".join(lines), key=f"gathered {taken[0].key}"), len(taken)


def _line(note: Note) -> str:
    if note.rule is None:
        # Notices of incidents are not cut.
        return f"• {note.title}\n{note.text}" if note.text else f"• {note.title}"
    price = next((value for name, value in note.fields if name == "Price"), None)
    said = cut(" — ".join(part for part in (note.title, price, note.text) if part), MAX_LINE)
    link = link_of(note)
    return f"• {said}" + (f" — {link}" if link and len(link) <= MAX_LINK else "")
