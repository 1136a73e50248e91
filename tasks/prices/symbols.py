"""Ticker symbols (pure): BRK.B and TSCO.LON are symbols too."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

PATTERN = r"^[A-Z0-9]{1,10}([.\-][A-Z0-9]{1,6})?$"
_SYMBOL = re.compile(PATTERN)

#: Suffix of Alpha Vantage's symbols → exchange; none: a US symbol.
MARKETS = {"LON": "XLON", "TRT": "XTSE", "DEX": "XETR", "PAR": "XPAR", "BSE": "XBOM"}


def check(symbol: str) -> str:
    """The symbol in capitals; ValueError with a hint when it is none."""
    text = symbol.strip().upper()
    if not _SYMBOL.fullmatch(text):
        raise ValueError(f'"{symbol[:30]}" is no symbol; write e.g. AAPL, BRK.B or TSCO.LON')
    return text


def market_of(symbol: str) -> str:
    """Exchange (MIC) whose sessions the symbol follows: by its suffix, else New York's."""
    return MARKETS.get(symbol.rpartition(".")[2], "XNYS") if "." in symbol else "XNYS"


Symbol = Annotated[str, AfterValidator(check), Field(max_length=20)]
