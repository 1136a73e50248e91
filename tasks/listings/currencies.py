"""Spellings of currencies (pure): codes, signs, abbreviations, names.

Most signs are CLDR's, of all its languages, without those that are also a letter or a common word.
A spelling that several currencies share means the site's currency if it is one of them, else the usual
one, else UNKNOWN.
"""

# ruff: noqa: RUF001 - letters of other alphabets are what this is about
from __future__ import annotations

import re
from collections.abc import Iterable

from price_parser.parser import CURRENCY_CODES  # type: ignore[attr-defined]

from tasks.listings.currency_names import FULL_NAMES, LAST_WORDS

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

#: Signs, whatever stands around them.
SIGNS = {
    "$": "USD", "\uff04": "USD", "€": "EUR", "£": "GBP", "\uffe1": "GBP", "¥": "JPY", "\uffe5": "JPY",
    "₩": "KRW", "\uffe6": "KRW", "₹": "INR", "₽": "RUB", "₪": "ILS", "₺": "TRY", "฿": "THB", "₫": "VND",
    "₴": "UAH", "₦": "NGN", "₱": "PHP", "₸": "KZT", "₾": "GEL", "₼": "AZN", "֏": "AMD", "₲": "PYG",
    "₡": "CRC", "₭": "LAK", "₮": "MNT", "៛": "KHR", "৳": "BDT", "₵": "GHS", "؋": "AFN", "₧": "ESP",
    "円": "JPY", "日元": "JPY", "日圓": "JPY", "元": "CNY", "人民币": "CNY", "원": "KRW", "บาท": "THB",
    "新台幣": "TWD", "台幣": "TWD", "港幣": "HKD", "₨": "INR", "﷼": UNKNOWN, "¤": UNKNOWN,
    "₿": UNKNOWN, "Ξ": UNKNOWN, "¢": UNKNOWN,
    "US$": "USD", "U$S": "USD", "$US": "USD", "C$": "CAD", "CA$": "CAD", "CAN$": "CAD", "CDN$": "CAD",
    "$CA": "CAD", "$CAN": "CAD", "A$": "AUD", "AU$": "AUD", "$AU": "AUD", "NZ$": "NZD", "$NZ": "NZD",
    "S$": "SGD", "SG$": "SGD", "$SG": "SGD", "HK$": "HKD", "$HK": "HKD", "NT$": "TWD", "R$": "BRL",
    "BR$": "BRL", "MX$": "MXN", "MEX$": "MXN", "$MX": "MXN", "EC$": "XCD", "TT$": "TTD", "RD$": "DOP",
    "BZ$": "BZD", "FJ$": "FJD", "JM$": "JMD", "J$": "JMD", "AR$": "ARS", "$AR": "ARS", "CL$": "CLP",
    "$CL": "CLP", "COL$": "COP", "CO$": "COP", "$CO": "COP", "MOP$": "MOP", "BM$": "BMD", "BS$": "BSD",
    "AUS$": "AUD", "USA$": "USD", "BDS$": "BBD", "SI$": "SBD", "WS$": "WST", "N$": "NAD", "L$": "LRD",
    "GH₵": "GHS", "GH¢": "GHS",
    "CN¥": "CNY", "¥CN": "CNY", "JP¥": "JPY", "KR₩": "KRW", "UK£": "GBP", "GB£": "GBP", "£GB": "GBP",
    "EG£": "EGP", "E£": "EGP", "£E": "EGP", "£LB": "LBP", "£IE": "IEP", "TH฿": "THB",
    "$WS": "WST", "$EC": "XCD", "KA$": "CAD", "₤IT": "ITL", "₤": UNKNOWN, "ƒ": UNKNOWN,
}  # fmt: skip
#: Abbreviations: no letter beside them; a dot after them belongs to them.
LETTERS = {
    "zł": "PLN", "zl": "PLN", "Zł": "PLN", "Kč": "CZK", "kč": "CZK", "Kčs": "CSK", "Ft": "HUF",
    "kr": UNKNOWN, "Kr": UNKNOWN, "Skr": "SEK", "Nkr": "NOK", "Dkr": "DKK", "Ikr": "ISK",
    "Fr": "CHF", "SFr": "CHF", "sFr": "CHF", "Rp": "IDR", "rp": "IDR", "RM": "MYR",
    "Rs": "INR", "rs": "INR", "NIS": "ILS", "nis": "ILS", "RMB": "CNY", "rmb": "CNY", "NTD": "TWD",
    "CDN": "CAD", "Cdn": "CAD", "лв": "BGN", "грн": "UAH", "руб": "RUB", "р": "RUB",
    "тг": "KZT", "ден": "MKD", "den": "MKD", "дин": "RSD", "din": "RSD", "kn": "HRK", "Bs": UNKNOWN,
    "lei": "RON", "Lei": "RON", "LEI": "RON", "leu": "RON", "S/": "PEN", "B/": "PAB", "Ksh": "KES",
    "KSh": "KES", "KSH": "KES", "TSh": "TZS", "USh": "UGX", "FCFA": UNKNOWN, "CFA": UNKNOWN,
    "F CFA": UNKNOWN, "CFPF": "XPF", "FCFP": "XPF", "Bds": "BBD", "TL": "TRY", "Tk": "BDT",
    "đ": "VND", "Đ": "VND", "Dhs": UNKNOWN, "dhs": UNKNOWN, "Dh": UNKNOWN, "Gs": "PYG", "Cg": "XCG",
    "ש״ח": "ILS", 'ש"ח': "ILS", "שח": "ILS", "د.إ": "AED", "د.ك": "KWD", "د.ب": "BHD", "د.أ": "JOD",
    "د.ع": "IQD", "د.ت": "TND", "د.ج": "DZD", "د.م": "MAD", "د.ل": "LYD", "ر.س": "SAR", "ر.ق": "QAR",
    "ر.ع": "OMR", "ر.ي": "YER", "ج.م": "EGP", "ل.ل": "LBP", "ل.س": "SYP", "රු": "LKR", "नेरू": "NPR",
    "ریال": UNKNOWN, "ریال سعودی": "SAR", "تومان": UNKNOWN, "Nfk": "ERN", "soʻm": "UZS", "сўм": "UZS",
    "сом": "KGS",
    "ر.إ": "IRR", "أ.م": "MRU", "ج.س": "SDG", "Br": UNKNOWN, "öS": "ATS", "ZiG": "ZWG", "Δρχ": "GRD",
    "FBu": "BIF", "Fdj": "DJF", "MTn": "MZN", "NAf": "ANG", "Afl": "AWG", "Nu": "BTN", "ብር": "ETB",
    "ރ": "MVR", "щ.д": "USD", "КМ": "BAM", "ТМТ": "TMT", "Кч": "CZK", "зл": "PLN", "Тл": "TRY",
    "Kz": "AOA", "Esc": "PTE", "Bs.S": "VES",
    **dict.fromkeys(CRYPTO, UNKNOWN),
}  # fmt: skip
#: Abbreviations only after a number; before one they begin a model's name.
AFTER = dict.fromkeys(
    ("DA", "DT", "FC", "FG", "FB", "UM", "RF", "VT", "CF", "SR", "LS", "MK", "KM", "Db",
     "Rf", "Le", "Ar"),
    UNKNOWN,
)  # fmt: skip
#: Names in any case, with or without an s at the end.
NAMES = {
    "euro": "EUR", "pound": "GBP", "quid": "GBP", "yen": "JPY", "yuan": "CNY", "renminbi": "CNY",
    "rupee": "INR", "rupiah": "IDR", "ringgit": "MYR",
    "baht": "THB", "zloty": "PLN", "zlotych": "PLN", "złoty": "PLN", "złotych": "PLN", "koruna": "CZK",
    "korun": "CZK", "forint": "HUF", "kronor": "SEK", "krona": "SEK", "kroner": UNKNOWN,
    "franken": "CHF", "franc": UNKNOWN, "peso": UNKNOWN, "reai": "BRL",
    "ruble": "RUB", "rouble": "RUB", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB", "hryvnia": "UAH",
    "гривень": "UAH", "lira": "TRY", "shekel": "ILS", "sheqel": "ILS", "dirham": UNKNOWN,
    "riyal": UNKNOWN, "dinar": UNKNOWN, "rand": "ZAR", "naira": "NGN", "taka": "BDT", "leva": "BGN",
    "bitcoin": UNKNOWN, "buck": "USD", "dollar": "USD", "canadian": "CAD", "australian": "AUD",
    "aussie": "AUD", "american": "USD", **FULL_NAMES,
}  # fmt: skip
#: Other currencies that share a spelling.
SHARED = {
    "$": ("AUD CAD NZD SGD HKD TWD MXN ARS CLP COP UYU BZD BBD JMD TTD XCD FJD NAD BND BMD BSD GYD KYD "
          "LRD SBD SRD CUP DOP"),
    "dollar": "AUD CAD NZD SGD HKD TWD XCD FJD NAD JMD TTD BBD", "buck": "AUD CAD NZD",
    "£": "EGP LBP SSP FKP GIP SHP SYP SDG IEP CYP", "pound": "EGP LBP", "¥": "CNY", "元": "TWD HKD",
    "₨": "PKR LKR NPR MUR SCR", "Rs": "PKR LKR NPR MUR SCR", "rupee": "PKR LKR NPR MUR SCR",
    "kr": "SEK NOK DKK ISK EEK", "krona": "ISK", "kroner": "NOK DKK", "﷼": "IRR SAR QAR OMR YER",
    "ریال": "IRR", "FCFA": "XAF XOF", "CFA": "XAF XOF", "F CFA": "XOF XAF", "Bs": "BOB VES",
    "Fr": "XAF XOF XPF", "franc": "CHF XAF XOF XPF", "peso": "MXN PHP ARS CLP COP UYU CUP DOP",
    "dirham": "AED MAD", "Dhs": "AED MAD", "dhs": "AED MAD", "Dh": "AED MAD",
    "riyal": "SAR QAR OMR YER IRR",
    "dinar": "KWD BHD JOD IQD TND DZD LYD RSD", "₱": "MXN CUP",
    "Br": "BYN ETB", "DA": "DZD", "DT": "TND", "FC": "CDF", "FG": "GNF", "FB": "BEF", "UM": "MRU",
    "RF": "RWF", "VT": "VUV", "CF": "KMF", "SR": "SCR SAR", "LS": "SYP", "MK": "MWK", "KM": "BAM",
    "Db": "STN", "Rf": "MVR", "Le": "SLE", "Ar": "MGA", "ƒ": "ANG AWG XCG",
    "₡": "SVC", "C$": "NIO", "₩": "KPW", "lei": "MDL", "Lei": "MDL",
}  # fmt: skip
#: Names after a number that are no other word there: of one currency its own ("500 tenge").
NAMES_AFTER = {
    word: codes if len(codes) == 3 else "KRW" if word == "won" else UNKNOWN
    for word, codes in LAST_WORDS.items() if word not in NAMES
}  # fmt: skip
SHARED |= {word: LAST_WORDS[word] for word in NAMES_AFTER}
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
