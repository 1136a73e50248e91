"""Spellings of currencies (pure): codes, signs, abbreviations, names.

Most signs are CLDR's, of all its languages, without those that are also a letter or a common word.
A spelling that several currencies share means the site's currency if it is one of them, else the usual
one, else UNKNOWN.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from price_parser.parser import CURRENCY_CODES  # type: ignore[attr-defined]

#: A currency is named, but it is not known which.
UNKNOWN = ""
#: Codes that listings also write in lower case.
COMMON = (
    "USD", "EUR", "GBP", "JPY", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "SGD", "HKD",
    "CNY", "KRW", "INR", "PLN", "CZK", "HUF", "THB", "MYR", "PHP", "TWD", "MXN", "BRL", "ZAR",
    "ILS", "IDR", "VND", "AED",
)  # fmt: skip
#: Codes newer than the list of price-parser, and that of yuan outside China.
_NEWER = ("CNH", "MRU", "SLE", "STN", "VES", "XCG", "ZWG")
#: Codes that are also words ("ALL 300 shipped"), or no money.
_NONE = frozenset({"ALL", "TOP", "VAL", "SIT", "IMP", "XXX", "XTS", "RMB", "NTD"})
#: ISO 4217 codes, some of the past; those not in COMMON only in capitals ("try 300").
CODES = (*COMMON, *(c for c in (*CURRENCY_CODES, *_NEWER) if c not in {*COMMON, *_NONE}))
#: Cryptocurrencies.
CRYPTO = ("BTC", "XBT", "ETH", "USDT", "USDC", "XMR", "LTC", "DOGE", "SOL", "BNB", "XRP")
#: Currencies with three decimals: "1.250 KWD" is one and a quarter.
IN_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

#: Spellings by code: `currencies.toml`.
_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def _spellings(kind: str) -> dict[str, str]:
    return {
        one: UNKNOWN if code == "unknown" else code
        for code, spelled in _TABLE[kind].items()
        for one in spelled
    }


#: Signs, whatever stands around them.
SIGNS = _spellings("signs")
#: Abbreviations: no letter beside them; a dot after them belongs to them.
LETTERS = _spellings("letters") | dict.fromkeys(CRYPTO, UNKNOWN)
#: Abbreviations only after a number; before one they begin a model's name.
AFTER = _spellings("after")
#: CLDR's names in English: "south korean won".
FULL_NAMES = _spellings("full_names")
#: Names in any case, with or without an s at the end.
NAMES = _spellings("names") | FULL_NAMES
#: Other currencies that share a spelling.
SHARED: dict[str, str] = _TABLE["shared"]
#: Last words of names that are also other words beside a number ("600 real", "HD600 som ny").
_OTHER_WORDS = frozenset({"real", "som", "sol", "mark", "gold", "colon", "kina", "new"})


def _by_last_word() -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for name, code in FULL_NAMES.items():
        found.setdefault(name.rpartition(" ")[2], set()).add(code)
    return {word: " ".join(sorted(codes)) for word, codes in found.items() if word not in _OTHER_WORDS}


#: "won": "KPW KRW"
_LAST_WORDS = _by_last_word()
#: Names after a number that are no other word there: of one currency its own ("500 tenge").
NAMES_AFTER = {
    word: codes if len(codes) == 3 else "KRW" if word == "won" else UNKNOWN
    for word, codes in _LAST_WORDS.items() if word not in NAMES
}  # fmt: skip
SHARED |= {word: _LAST_WORDS[word] for word in NAMES_AFTER}
#: Only directly before a number.
RAND = "R"
_SAME = {"\uff04": "$", "\uffe1": "£", "\uffe5": "¥", "Kr": "kr", "rs": "Rs"}


def resolve(spelling: str, site: str | None) -> str:
    """The currency (ISO 4217 or UNKNOWN) of a spelling on a site whose currency is ``site``."""
    plain = re.sub(r"\s+(?=\$)|(?<=\$)\s+", "", spelling.strip()).removesuffix(".")
    plain = re.sub(r"^U\.S\.?(?:A\.?)?", "US", plain)
    plain = _SAME.get(plain, plain)
    if plain == RAND:
        return "ZAR"
    upper, name = plain.upper(), plain.lower().removesuffix("(s)").removesuffix("s")
    for known, key in (
        (LETTERS, plain),
        (AFTER, plain),
        (SIGNS, plain),
        (SIGNS, upper),
        (NAMES, name),
        (NAMES_AFTER, name),
    ):
        if key in known:
            return site if site and site in SHARED.get(key, "").split() else known[key]
    return upper if upper in CODES else UNKNOWN


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_LETTER = r"[^\W\d_]"
_LETTERED = [sign for sign in SIGNS if re.match("[A-Z]", sign)]
#: "AU $500" and "US $" too; but "A $500 amp" is an amp.  Other capitals at a dollar, and other currency
#: signs of Unicode, name an unknown currency.
SIGN = (
    r"(?:(?<![A-Za-z])(?i:US|CA?|AU|NZ|HK|NT|SG)\s?\$|(?<![A-Za-z])(?i:CAN|CDN|MEX|COL|MOP|BDS)\$"
    r"|(?<![A-Za-z.])(?:CAN|CDN|AUS|USA|U\.S\.(?:A\.)?)\s?\$"
    rf"|(?<![A-Za-z])(?:{_either(_LETTERED)}|[A-Z]{{1,2}}\$)"
    rf"|{_either(SIGNS.keys() - set(_LETTERED))}|[\u20a0-\u20cf])"
)
#: Whose dollar: only beside a dollar sign.  "Can" may also be a verb, and "CA" California.
COUNTRY = (
    r"(?<![A-Za-z])(?:CDN|USA?|U\.S\.(?:A\.)?|AUS?|NZ|HK|SG|NT|MEX|MX"
    r"|CAN(?!\s+(?i:ship|do|meet|deliver|be|send|trade|hold|post|mail|pick|not|you|also|add)\b)"
    r"|(?i:CAN?|CDN|USA?|AUS?|NZ|HK|SG|MEX|MX)\.?(?=\s*(?:[\]),;:/|!+]|$)))(?![A-Za-z])"
)
CODE = rf"(?<![A-Za-z])(?:(?i:{'|'.join(COMMON)})|{'|'.join(CODES[len(COMMON) :])})(?![A-Za-z])"
ABBREVIATION = rf"(?<!{_LETTER})(?:{_either(LETTERS)})(?!{_LETTER})\.?"
#: After a number.
ABBREVIATION_AFTER = rf"(?:{ABBREVIATION}|(?:{_either(AFTER)})(?![^\W_]))"
_PLURAL = rf"(?:s|\(s\))?(?!{_LETTER}|['\u2019]\w)"
NAME = rf"(?<![A-Za-z])(?i:(?:{_either(NAMES)}){_PLURAL})"
NAME_AFTER = rf"(?<![A-Za-z])(?i:(?:{_either({**NAMES, **NAMES_AFTER})}){_PLURAL})"
