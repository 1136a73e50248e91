"""Ticker symbols (pure): BRK.B and TSCO.LON are symbols too."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

_SYMBOL = re.compile(r"^[A-Z0-9]{1,10}([.\-][A-Z0-9]{1,6})?$")
#: What people may write: lower case and spaces around are accepted.
WRITTEN = r"^ *[A-Za-z0-9]{1,10}([.-][A-Za-z0-9]{1,6})? *$"

NEW_YORK = "XNYS"
#: The MIC of "no market": no sessions are known, and only Alpha Vantage may have the symbol.
NOWHERE = "XXXX"
#: Suffix of Alpha Vantage's symbols → exchange whose trading days it follows.
MARKETS = {
    "LON": "XLON",
    "TRT": "XTSE",
    "TRV": "XTSE",  # TSX Venture trades on Toronto's days
    "DEX": "XETR",
    "FRK": "XFRA",
    "PAR": "XPAR",
    "BSE": "XBOM",
    "SHH": "XSHG",
    "SHZ": "XSHG",  # Shenzhen trades on Shanghai's days
}


def check(symbol: str) -> str:
    text = symbol.strip()
    # Checked before upper(): "ß" would become "SS".
    if not text.isascii() or not _SYMBOL.fullmatch(text.upper()):
        raise ValueError(f'"{symbol[:30]}" is not a symbol; write e.g. AAPL, BRK.B or TSCO.LON')
    return text.upper()


def market_of(symbol: str) -> str:
    """Exchange (MIC) of the symbol by its suffix; NOWHERE for an unknown one.

    Without a suffix, or with one letter (a class of shares), it is New York.
    """
    suffix = symbol.partition(".")[2]
    return NEW_YORK if len(suffix) < 2 else MARKETS.get(suffix, NOWHERE)


Symbol = Annotated[
    str,
    AfterValidator(check),
    Field(max_length=20),
    WithJsonSchema({"type": "string", "pattern": WRITTEN, "maxLength": 20}),
]
