"""Words for what is paid beside a price or as a part of it (pure): shipping and deposits."""

# ruff: noqa: RUF001 - letters of other alphabets are what this is about
#: Regular expressions for words of alphabets that leave blanks between them.
_WORDS = (
    # English, German
    "(?:express )?shipping", "postage", "deliver(?:y|ies)", "p&p", "s&h", "freight", "courier",
    "deposit", "down ?payment", "(?:versand|porto|liefer|fracht)(?:kosten)?", "lieferung",
    "anzahlung", "kaution",
    # French, Spanish, Portuguese, Italian
    "fdp", "(?:frais )?de port", "frais d['’]envoi", "livraison", "expédition", "envoi", "acompte",
    "arrhes", "env[ií]os?", "portes", "frete", "dep[oó]sito", "fianza", "sinal", "spedizione",
    "acconto", "caparra", "cauzione",
    # Dutch, Danish, Norwegian, Swedish, Finnish
    "verzend(?:ing|kosten)", "bezorging", "aanbetaling", "borg", "fra[kg]t", "leverans",
    "levering", "handpenning", "postikulut",
    # Polish, Czech, Hungarian, Romanian, Turkish, Russian
    r"(?:wysyłk|przesyłk)\w{1,2}", r"dostaw\w{1,2}", r"(?:zaliczk|kaucj)\w{1,2}", "poštovné",
    "doprava", "záloha", "szállítás", "livrare", "kargo", "kapora", r"доставк\w{1,2}",
    r"пересылк\w{1,2}", r"задат\w{1,4}", r"залог\w{0,2}",
)  # fmt: skip
_CHARACTERS = ("送料", "运费", "運費", "邮费", "郵費", "定金", "订金", "배송비", "택배비")
#: "free shipping", "shipping included": nothing is paid for it.
_FREE = (
    r"(?:free|paid|incl(?:uded|uding|usive)?|inkl(?:usive)?|gratis|kostenlos|kostenfrei|frei|compris|offerte?"
    r"|gratuit[eoa]?|incluid[oa]|incluso|inclusa|inbegrepen|wliczona|бесплатн\w{1,2})"
)
_SPELLED = "|".join(_WORDS).replace(" ", r"\s+")
_COST_OF = r"(?:(?:gastos|costes?|custos?|spese|costi|costs?)\s+(?:of|de|di)\s+)?"
WORDS = (
    rf"(?:\b{_COST_OF}(?:{_SPELLED})\b|{'|'.join(_CHARACTERS)})"
    rf"(?!\s+(?:(?:is|ist|est|es)\s+)?{_FREE}(?!\w))"
)
FREE = rf"\b{_FREE}\.?\s+{WORDS}"
