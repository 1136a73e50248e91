"""The exchange of a symbol, by its suffix (pure; the console and every command load it)."""

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


def market_of(symbol: str) -> str:
    """Exchange (MIC) of the symbol by its suffix; NOWHERE for an unknown one.

    Without a suffix, or with one letter (a class of shares), it is New York.
    """
    suffix = symbol.partition(".")[2]
    return NEW_YORK if len(suffix) < 2 else MARKETS.get(suffix, NOWHERE)
