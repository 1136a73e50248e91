"""CLDR's names of currencies in English (pure data), without the s of the plural."""

from __future__ import annotations

#: By code; | divides spellings.
NAMES_BY_CODE = {
    "USD": "us dollar|u.s. dollar|united states dollar|american dollar",
    "GBP": "british pound|pound sterling", "JPY": "japanese yen",
    "CAD": "canadian dollar", "AUD": "australian dollar|aussie dollar",
    "NZD": "new zealand dollar|nz dollar", "CHF": "swiss franc", "SEK": "swedish krona|swedish kronor",
    "NOK": "norwegian krone|norwegian kroner", "DKK": "danish krone|danish kroner",
    "SGD": "singapore dollar|sing dollar", "HKD": "hong kong dollar|hk dollar", "CNY": "chinese yuan",
    "KRW": "south korean won|korean won", "INR": "indian rupee", "PLN": "polish zloty",
    "CZK": "czech koruna", "HUF": "hungarian forint", "THB": "thai baht", "MYR": "malaysian ringgit",
    "PHP": "philippine peso", "TWD": "new taiwan dollar|taiwan dollar", "MXN": "mexican peso",
    "BRL": "brazilian real|brazilian reai", "ZAR": "south african rand",
    "ILS": "israeli new shekel|israeli shekel", "IDR": "indonesian rupiah", "VND": "vietnamese dong",
    "AED": "uae dirham|emirati dirham", "AFN": "afghan afghani", "AMD": "armenian dram",
    "AOA": "angolan kwanza", "ARS": "argentine peso", "AWG": "aruban florin",
    "AZN": "azerbaijani manat", "BAM": "bosnia-herzegovina convertible mark|convertible mark",
    "BDT": "bangladeshi taka", "BBD": "barbadian dollar", "BGN": "bulgarian lev|bulgarian leva",
    "BHD": "bahraini dinar", "BIF": "burundian franc", "BSD": "bahamian dollar",
    "BMD": "bermudan dollar", "BND": "brunei dollar", "BOB": "bolivian boliviano",
    "BTN": "bhutanese ngultrum", "BWP": "botswanan pula", "BYN": "belarusian ruble",
    "BZD": "belize dollar", "CDF": "congolese franc", "CLP": "chilean peso", "COP": "colombian peso",
    "CRC": "costa rican colón|costa rican colon", "CUP": "cuban peso", "CVE": "cape verdean escudo",
    "DJF": "djiboutian franc", "DOP": "dominican peso", "DZD": "algerian dinar",
    "EGP": "egyptian pound", "ERN": "eritrean nakfa", "ETB": "ethiopian birr", "FJD": "fijian dollar",
    "FKP": "falkland islands pound", "GEL": "georgian lari", "GHS": "ghanaian cedi",
    "GIP": "gibraltar pound", "GMD": "gambian dalasi", "GNF": "guinean franc",
    "GTQ": "guatemalan quetzal", "GYD": "guyanaese dollar|guyanese dollar", "HNL": "honduran lempira",
    "HRK": "croatian kuna", "HTG": "haitian gourde", "IQD": "iraqi dinar", "IRR": "iranian rial",
    "ISK": "icelandic króna|icelandic krónur|icelandic krona|icelandic kronur",
    "JMD": "jamaican dollar", "JOD": "jordanian dinar", "KES": "kenyan shilling", "KGS": "kyrgyz som",
    "KHR": "cambodian riel", "KMF": "comorian franc", "KPW": "north korean won", "KWD": "kuwaiti dinar",
    "KYD": "cayman islands dollar", "KZT": "kazakhstani tenge", "LAK": "laotian kip",
    "LBP": "lebanese pound", "LKR": "sri lankan rupee", "LRD": "liberian dollar", "LSL": "lesotho loti",
    "LYD": "libyan dinar", "MAD": "moroccan dirham", "MDL": "moldovan leu|moldovan lei",
    "MGA": "malagasy ariary|malagasy ariarie", "MKD": "macedonian denar|macedonian denari",
    "MMK": "myanmar kyat", "MNT": "mongolian tugrik", "MOP": "macanese pataca",
    "MUR": "mauritian rupee", "MVR": "maldivian rufiyaa", "MWK": "malawian kwacha",
    "MZN": "mozambican metical|mozambican meticai", "NAD": "namibian dollar", "NGN": "nigerian naira",
    "NIO": "nicaraguan córdoba|nicaraguan cordoba", "NPR": "nepalese rupee", "OMR": "omani rial",
    "PAB": "panamanian balboa", "PEN": "peruvian sol|peruvian sole", "PGK": "papua new guinean kina",
    "PKR": "pakistani rupee", "PYG": "paraguayan guarani", "QAR": "qatari riyal",
    "RON": "romanian leu|romanian lei", "RSD": "serbian dinar", "RUB": "russian ruble",
    "RWF": "rwandan franc", "SAR": "saudi riyal", "SBD": "solomon islands dollar",
    "SCR": "seychellois rupee", "SDG": "sudanese pound", "SHP": "st. helena pound",
    "SOS": "somali shilling", "SRD": "surinamese dollar", "SSP": "south sudanese pound",
    "SYP": "syrian pound", "SZL": "swazi lilangeni|swazi emalangeni", "TJS": "tajikistani somoni",
    "TMT": "turkmenistani manat", "TND": "tunisian dinar", "TRY": "turkish lira",
    "TTD": "trinidad & tobago dollar", "TZS": "tanzanian shilling", "UAH": "ukrainian hryvnia",
    "UGX": "ugandan shilling", "UYU": "uruguayan peso", "UZS": "uzbekistani som", "VUV": "vanuatu vatu",
    "WST": "samoan tala", "XAF": "central african cfa franc", "XCD": "east caribbean dollar",
    "XOF": "west african cfa franc", "XPF": "cfp franc", "YER": "yemeni rial", "ZMW": "zambian kwacha",
    "DEM": "german mark", "MRU": "mauritanian ouguiya", "SLE": "sierra leonean leone",
    "STN": "são tomé & príncipe dobra|sao tome & principe dobra",
    "VES": "venezuelan bolívar|venezuelan bolivar", "XCG": "caribbean guilder",
    "ZWG": "zimbabwean gold",
}  # fmt: skip
#: Last words of names that are also other words beside a number ("600 real", "HD600 som ny").
_OTHER_WORDS = frozenset({"real", "som", "sol", "mark", "gold", "colon", "kina", "new"})


def _by_name() -> dict[str, str]:
    return {name: code for code, names in NAMES_BY_CODE.items() for name in names.split("|")}


def _by_last_word() -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for name, code in FULL_NAMES.items():
        found.setdefault(name.rpartition(" ")[2], set()).add(code)
    return {word: " ".join(sorted(codes)) for word, codes in found.items() if word not in _OTHER_WORDS}


#: "south korean won": "KRW"
FULL_NAMES = _by_name()
#: "won": "KPW KRW"
LAST_WORDS = _by_last_word()
