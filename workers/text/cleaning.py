"""Text from other servers, prepared for storage and for terminals (pure).

``cleaned`` is for parsed text: one line in NFC, without invisible and control characters.
``printable`` is for terminals: characters that cannot be shown become U+FFFD.
"""

import re
import unicodedata

#: Invisible letters, marks: Default_Ignorable_Code_Point beyond the category Cf (variation selectors,
#: Hangul fillers …).
_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff"
)
#: Category Cf (format: zero width, bidi controls, tags …) as Unicode 17 has it.
_FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
#: Control characters that are no white space, and lone surrogates.
_CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff"
_INVISIBLE_ALL = re.compile(f"[{_INVISIBLE}{_FORMAT}]")
_DROPPED = re.compile(f"[{_INVISIBLE}{_FORMAT}{_CONTROL}]")
_KEPT = "\n\t"


def cleaned(text: str) -> str:
    """One line without control, bidi and zero-width characters, white space folded, in NFC."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = _DROPPED.sub("", text)
    # After the removal, because an invisible character may have separated combining ones.
    return " ".join(unicodedata.normalize("NFC", text).split())


def printable(text: str, *, lines: bool = False) -> str:
    """Text for a terminal; line breaks and tabs become blanks, unless ``lines``."""
    kept = _KEPT if lines else ""
    if text.isprintable() and not _INVISIBLE_ALL.search(text):
        return text
    text = _INVISIBLE_ALL.sub("", text.replace("\r\n", "\n"))
    return "".join(
        one if one.isprintable() or one in kept else " " if one.isspace() else "\ufffd" for one in text
    )
