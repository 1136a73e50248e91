"""Ticker symbols (pure): BRK.B and TSCO.LON are symbols too."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

_SYMBOL = re.compile(r"^[A-Z0-9]{1,10}([.\-][A-Z0-9]{1,6})?$")
#: What people may write: lower case and spaces around are accepted.
WRITTEN = r"^ *[A-Za-z0-9]{1,10}([.-][A-Za-z0-9]{1,6})? *$"


def check(symbol: str) -> str:
    text = symbol.strip()
    # Checked before upper(): "ß" would become "SS".
    if not text.isascii() or not _SYMBOL.fullmatch(text.upper()):
        raise ValueError(f'"{symbol[:30]}" is not a symbol; write e.g. AAPL, BRK.B or TSCO.LON')
    return text.upper()


Symbol = Annotated[
    str,
    AfterValidator(check),
    Field(max_length=20),
    WithJsonSchema({"type": "string", "pattern": WRITTEN, "maxLength": 20}),
]
