"""Prices as people write them: whose money, which number, or none (pure)."""

# ruff: noqa: RUF001 - letters of other alphabets are what this is about
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.listings import currencies, money
from tasks.listings.money import Money

amounts = st.decimals("0.01", "99999999", places=2)
codes = st.sampled_from(currencies.CODES)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("CAD $500", "CAD"),
        ("AUD $500", "AUD"),
        ("AUD$500", "AUD"),
        ("SGD$500", "SGD"),
        ("C $500", "CAD"),
        ("AU $500", "AUD"),
        ("US $500", "USD"),
        ("500$ CAD", "CAD"),
        ("$500 (CAD)", "CAD"),
        ("500,- EUR", "EUR"),
        ("500,- €", "EUR"),
        ("500.- €", "EUR"),
        ("EUR: 500", "EUR"),
        ("500 (EUR)", "EUR"),
        ("500 euro", "EUR"),
        ("500 Euros", "EUR"),
        ("500 euro(s)", "EUR"),
        ("500 dollars", "USD"),
        ("500 pounds", "GBP"),
        ("\uffe5500", "JPY"),
        ("500 yen", "JPY"),
        ("500 RMB", "CNY"),
        ("500 RUB", "RUB"),
        ("500 UAH", "UAH"),
        ("500 BGN", "BGN"),
        ("for$500", "USD"),
        ("is$500", "USD"),
        ("A $500 amp", "USD"),
        ("$500-600", "USD"),
    ],
)
def test_a_currency_is_known_however_it_stands_beside_the_amount(text: str, currency: str) -> None:
    assert money.parse(text) == Money(Decimal(500), currency)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1e10 USD", "10000000000"), ("1.5e3 USD", "1500"), ("1e12 USD", None), ("HD1e10 250 USD", "250")],
)
def test_an_exponent_belongs_to_its_number(text: str, amount: str | None) -> None:
    assert money.parse(text) == (Money(Decimal(amount), "USD") if amount else None)


@pytest.mark.parametrize("text", ["ALL 300 shipped", "try 300", "Ron 300"])
def test_a_word_that_is_a_code_as_well_is_no_currency(text: str) -> None:
    assert money.parse(text) == Money(Decimal(300), None)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1\u2019200 CHF", 1200),
        ("1\u2009200 CHF", 1200),
        ("95,000 yen", 95000),
        ("HD 600 250 USD", 250),
        ("HD 800 1 250 USD", 1250),
        ("asking 1 200 EUR", 1200),
        ("VB 1 200 EUR", 1200),
        ("HD600 -250 USD", 250),
        ("- 250 USD", 250),
    ],
)
def test_the_number_of_a_model_and_a_dash_are_no_part_of_the_price(text: str, amount: int) -> None:
    found = money.parse(text)
    assert found is not None
    assert found.amount == amount


@pytest.mark.parametrize("text", ["-250 USD", "-5 USD", "USD -5", "$-5", "-$5", "\u22125 €", "-5"])
def test_less_than_nothing_is_no_price(text: str) -> None:
    assert money.parse(text) is None


@given(amounts, codes)
def test_a_code_says_more_than_a_dollar_beside_it(amount: Decimal, code: str) -> None:
    for text in (f"{code} ${amount}", f"${amount} {code}", f"${amount} ({code})", f"{amount}$ {code}"):
        assert money.parse(text) == Money(amount, code), text


@given(st.integers(1, 99_999_999), codes)
def test_a_whole_amount_may_end_in_a_dash(amount: int, code: str) -> None:
    for text in (f"{amount},- {code}", f"{amount}.- {code}", f"{code}: {amount}", f"{amount} ({code})"):
        assert money.parse(text) == Money(Decimal(amount), code), text


@given(amounts, st.sampled_from(["for", "is", "was", "asking", "Price:", "obo"]))
def test_a_word_before_a_dollar_changes_nothing(amount: Decimal, word: str) -> None:
    assert money.parse(f"{word}${amount}") == Money(amount, "USD")


@given(amounts, codes)
def test_an_amount_below_nothing_never_becomes_a_price(amount: Decimal, code: str) -> None:
    assert money.parse(f"-{amount} {code}") is None
    assert money.parse(f"{code} -{amount}") is None


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("₹1,45,000", "145000", "INR"),
        ("1,45,000 INR", "145000", "INR"),
        ("₪3,500", "3500", "ILS"),
        ("₺15.000", "15000", "TRY"),
        ("฿15,000", "15000", "THB"),
        ("95,000円", "95000", "JPY"),
        ("Rp 12.500.000", "12500000", "IDR"),
        ("12.500 Kč", "12500", "CZK"),
        ("CAN$950", "950", "CAD"),
        ("R12 500", "12500", "ZAR"),
        ("was $1200 now $950", "950", "USD"),
        ("$1200 → $950", "950", "USD"),
        ("retail $1700, asking $950", "950", "USD"),
        ("$300-350", "300", "USD"),
        ("300-350 USD", "300", "USD"),
        ("€300 \u2013 €350", "300", "EUR"),
        ("K 701 150 USD", "150", "USD"),
        ("$.99", "0.99", "USD"),
        (".50 EUR", "0.50", "EUR"),
        ("950 CAD (700 USD)", "950", "CAD"),
        ("Price (USD): 950", "950", "USD"),
        ("K 701 USD - 150", "150", "USD"),
        ("$1700 \u2193 $950", "950", "USD"),
        ("$1700\u27f6$950", "950", "USD"),
        ("$1700 \U0001f812 $950", "950", "USD"),
        ("$950 \u2190 $1200", "950", "USD"),
        ("1200€ neu, 950€", "950", "EUR"),
        ("500,000 won", "500000", "KRW"),
        ("500 korean won", "500", "KRW"),
        ("$1,700 new, $950", "950", "USD"),
        ("500 USD new", "500", "USD"),
        ("$950 local pickup, $980 shipped", "950", "USD"),
        ("5.000.000 đ", "5000000", "VND"),
        ("₹1,45,000.50", "145000.50", "INR"),
        ("₹1,45,00,000", "14500000", "INR"),
        ("500 zł", "500", "PLN"),
        ("50 000 Ft", "50000", "HUF"),
        ("500 лв", "500", "BGN"),
        ("5 000 ₽", "5000", "RUB"),
        ("₩500,000", "500000", "KRW"),
        ("₱5,000", "5000", "PHP"),
        ("5.000.000 ₫", "5000000", "VND"),
        ("₴500", "500", "UAH"),
        ("₦50,000", "50000", "NGN"),
        ("S$500", "500", "SGD"),
        ("A$500", "500", "AUD"),
        ("NZ$500", "500", "NZD"),
        ("HK$5000", "5000", "HKD"),
        ("NT$5000", "5000", "TWD"),
        ("R$ 1.500,00", "1500", "BRL"),
        ("MX$500", "500", "MXN"),
        ("CHF 500", "500", "CHF"),
        ("Fr. 500", "500", "CHF"),
        ("Fr. 1'500.-", "1500", "CHF"),
        ("reduced from $1200 to $950", "950", "USD"),
        ("sold for $900", "900", "USD"),
        ("$950 OBO", "950", "USD"),
        ("MSRP $1700, $950 OBO", "950", "USD"),
        ("$950 (was $1200)", "950", "USD"),
        ("$950 (MSRP $1700)", "950", "USD"),
        ("$1700 retail, $950", "950", "USD"),
        ("USD300", "300", "USD"),
        ("300USD", "300", "USD"),
        ("US$300", "300", "USD"),
        ("$USD300", "300", "USD"),
        ("USD$300", "300", "USD"),
        ("was 1200, now 950 USD", "950", "USD"),
        ("$1200 -> $1000 -> $950", "950", "USD"),
        ("$950 + $30 shipping", "950", "USD"),
        ("$30 shipping + $950", "950", "USD"),
        ("1.5-2k USD", "1500", "USD"),
        ("HD 600 USD 250", "250", "USD"),
        ("500 USD 450 EUR", "500", "USD"),
        ("HD 600 $250", "250", "USD"),
        ("asking for my HD 600 $250", "250", "USD"),
        ("HD 800 - 1250 USD", "1250", "USD"),
        ("HD600 - 250 USD", "250", "USD"),
        ("500 Canadian dollars", "500", "CAD"),
        ("$500 Canadian", "500", "CAD"),
        ("$500 CDN", "500", "CAD"),
        ("9.5万円", "95000", "JPY"),
        ("1.45 lakh INR", "145000", "INR"),
        ("₹1,45,000/-", "145000", "INR"),
        ("Rs. 1,45,000", "145000", "INR"),
        ("1.250 KWD", "1.25", "KWD"),
        ("1.250,50 EUR", "1250.50", "EUR"),
        ("$1,299", "1299", "USD"),
        ("price drop from $1200 to $950", "950", "USD"),
        ("from $300 to $350", "300", "USD"),
        ("PRICE 300 000 JPY", "300000", "JPY"),
        ("R 12 500", "12500", "ZAR"),
        ("R12,500.00", "12500", "ZAR"),
        ("R70x 250 USD", "250", "USD"),
        ("500 €, NP 900 €", "500", "EUR"),
        ("VB 500 €", "500", "EUR"),
        ("RM 1,500", "1500", "MYR"),
        ("٣٥٠ USD", "350", "USD"),
        ("２００円", "200", "JPY"),
        ("U$S 500", "500", "USD"),
        ("500 ש״ח", "500", "ILS"),
        ("500 NIS", "500", "ILS"),
        ("Kč 500", "500", "CZK"),
        ("500Kč", "500", "CZK"),
        ("20% off, now $950", "950", "USD"),
        ("S/ 1,500", "1500", "PEN"),
        ("Bought for $1700 selling for $950", "950", "USD"),
        ("Paid 1700, asking 950 USD", "950", "USD"),
        ("$1200 > $950", "950", "USD"),
        ("€1.299,-", "1299", "EUR"),
        ("$1,200 $950", "1200", "USD"),
        ("MSRP $1700", "1700", "USD"),
        ("£1.200,50", "1200.50", "GBP"),
        ("USD 1 299.50", "1299.50", "USD"),
        ("now $950, was $1200", "950", "USD"),
        ("$1,700 new. Asking $950 shipped", "950", "USD"),
    ],
)
def test_a_price_is_what_its_writer_asks(text: str, amount: str, currency: str) -> None:
    assert money.parse(text) == Money(Decimal(amount), currency)


EXTRA = st.sampled_from(
    ["shipping", "for shipping", "delivery", "postage", "p&p", "deposit", "Versand", "Versandkosten", "Lieferung",
     "Anzahlung", "livraison", "frais de port", "acompte", "envío", "gastos de envío", "portes", "spedizione",
     "caparra", "verzendkosten", "borg", "frakt", "fragt", "wysyłka", "zaliczka", "poštovné", "доставка", "задаток",
     "kargo", "kapora", "szállítás", "送料", "运费", "定金", "배송비"]
)  # fmt: skip


@pytest.mark.outside(18)
@given(
    st.integers(1, 900),
    st.integers(2, 90),
    EXTRA,
    st.sampled_from(["$%d", "%d USD", "USD %d", "US$%d", "%d usd"]),
)
def test_what_is_paid_for_shipping_or_as_a_deposit_is_not_the_price_wherever_it_stands(
    low: int, times: int, word: str, form: str
) -> None:
    extra, asked = form % low, form % (low * times)
    for text in (
        f"{extra} {word} {asked}", f"{asked} {word} {extra}", f"{word} {extra} {asked}", f"{word}: {extra}, {asked}",
        f"{asked} {extra} {word}", f"{asked}, {extra} {word}", f"{extra} {word}, {asked}",
        f"{asked} + {extra} {word}", f"{extra} {word} + {asked}", f"{asked} ({word} {extra})",
    ):  # fmt: skip
        assert money.parse(text) == Money(Decimal(low * times), "USD"), text


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    "text",
    [
        "free shipping $950 (MSRP $1700)", "$950 shipping included (MSRP $1700)", "incl. Versand $950 (NP $1700)",
        "Versand kostenlos $950 (NP $1700)", "5 days shipping $950", "$950 shipping is $30", "20 shipping 950 USD",
    ],
)  # fmt: skip
def test_what_shipping_does_not_cost_changes_no_price(text: str) -> None:
    assert money.parse(text) == Money(Decimal(950), "USD")


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500 kr", "500"),
        ("500 BTC", "500"),
        ("₿5", "5"),
        ("XY$500", "500"),
        ("50¢", "50"),
        ("500 dinars", "500"),
        ("₿ 2", "2"),
        ("500 XBT", "500"),
        ("ƒ500", "500"),
    ],
)
def test_a_currency_that_is_not_known_is_unknown_and_not_the_sites(text: str, amount: str) -> None:
    assert money.parse(text, "USD") == Money(Decimal(amount), None, is_unknown=True)


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500 XYZ", "500"),
        ("950", "950"),
        ("was 1200 now 950", "950"),
        ("1200 -> 950", "950"),
        ("R2R DAC 500", "500"),
        ("DT 990 250", "250"),
        ("HD 6XX 200", "200"),
        ("500:-", "500"),
    ],
)
def test_an_amount_without_a_currency_names_none(text: str, amount: str) -> None:
    assert money.parse(text) == Money(Decimal(amount), None)


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    ("text", "site", "currency"),
    [
        ("$500", "CAD", "CAD"), ("$500", "EUR", "USD"), ("US$500", "CAD", "USD"), ("500 kr", "SEK", "SEK"),
        ("500 kr", "DKK", "DKK"), ("¥500", "CNY", "CNY"), ("¥500", "EUR", "JPY"), ("Rs 500", "PKR", "PKR"),
        ("500 pesos", "MXN", "MXN"), ("£500", "CAD", "GBP"),
    ],
)  # fmt: skip
def test_a_sign_that_several_currencies_share_is_the_sites_if_that_is_one(
    text: str, site: str, currency: str
) -> None:
    assert money.parse(text, site) == Money(Decimal(500), currency)


@pytest.mark.outside(18)
@given(
    st.integers(1, 99_999),
    st.integers(2, 9),
    st.sampled_from(["$%d", "%d USD", "USD %d", "US$%d", "%d usd"]),
)
def test_of_two_prices_the_asked_one_is_taken_however_they_are_written(
    low: int, times: int, form: str
) -> None:
    asked, old = form % low, form % (low * times)
    for text in (
        f"was {old} now {asked}", f"{old} → {asked}", f"{old} -> {asked}", f"retail {old}, asking {asked}",
        f"asking {asked}, retail {old}", f"{asked} (was {old})", f"MSRP {old} - {asked} OBO",
        f"reduced from {old} to {asked}", f"{asked} shipped (retail {old})", f"{old} retail, {asked}",
    ):  # fmt: skip
        assert money.parse(text) == Money(Decimal(low), "USD"), text


@pytest.mark.outside(18)
@given(st.integers(100, 9_999), st.integers(1, 900))
def test_a_range_is_its_lower_end_in_every_spelling(low: int, more: int) -> None:
    high = low + more
    for text in (
        f"${low}-{high}", f"{low}-{high} USD", f"${low} \u2013 ${high}", f"USD {low}-{high}", f"{low}$ - {high}$",
        f"{low} to {high} USD", f"US${low}-US${high}",
    ):  # fmt: skip
        assert money.parse(text) == Money(Decimal(low), "USD"), text


@pytest.mark.outside(18)
@given(st.integers(1, 10**10))
def test_indian_grouping_is_read_as_it_is_written(amount: int) -> None:
    digits = str(amount)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    grouped = ",".join([*pairs, tail]) if head else tail
    for text in (f"₹{grouped}", f"{grouped} INR", f"Rs. {grouped}/-", f"INR {grouped}.00"):
        assert money.parse(text) == Money(Decimal(amount), "INR"), text


@pytest.mark.outside(18)
@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("~~$1200~~ $950", "950", "USD"),
        ("~~ $1200 ~~ $950", "950", "USD"),
        ("~$1200~ $950", "950", "USD"),
        ("~~1200€~~ ~~1100€~~ 950", "950", "EUR"),
        ("$~~1200~~ 950", "950", "USD"),
        ("[S]$1200[/S] $950", "950", "USD"),
        ("<del>$1200</del> $950", "950", "USD"),
        ("$1\u03362\u03360\u03360\u0336 $950", "950", "USD"),
        ("$950 (~~$1200~~)", "950", "USD"),
        ("~$950", "950", "USD"),
        ("~~950 USD", "950", "USD"),
        ("950$ CAN", "950", "CAD"),
        ("950 $ CA", "950", "CAD"),
        ("$950 (Can.)", "950", "CAD"),
        ("$950 can", "950", "CAD"),
        ("$950 can ship", "950", "USD"),
        ("$950 Can you ship?", "950", "USD"),
        ("$950 Australian", "950", "AUD"),
        ("AUS $950", "950", "AUD"),
        ("9万5000円", "95000", "JPY"),
        ("９万５０００円", "95000", "JPY"),
        ("9万5千円", "95000", "JPY"),
        ("9万5円", "95000", "JPY"),
        ("1億2000万円", "120000000", "JPY"),
        ("9萬5,000元", "95000", "CNY"),
        ("12만 5천원", "125000", "KRW"),
        ("1 lakh 45 thousand INR", "145000", "INR"),
        ("2 crore 5 lakh INR", "20500000", "INR"),
        ("$950 U.S.", "950", "USD"),
        ("1,5 тыс. руб.", "1500", "RUB"),
        ("$1k5", "1500", "USD"),
        ("5万円 9万円", "50000", "JPY"),
    ],
)
def test_struck_prices_countries_of_dollars_and_words_for_powers_are_read(
    text: str, amount: str, currency: str
) -> None:
    assert money.parse(text) == Money(Decimal(amount), currency)


@pytest.mark.outside(18)
@pytest.mark.parametrize("text", ["~~$1200~~", "<s>$1200</s> sold", "[s]1200 EUR[/s]"])
def test_a_price_that_is_struck_through_is_no_price(text: str) -> None:
    assert money.parse(text) is None


@pytest.mark.outside(18)
@given(
    st.integers(1, 99_999),
    st.integers(1, 99_999),
    st.sampled_from(
        ["~~%s~~", "~%s~", "[s]%s[/s]", "<s>%s</s>", "<DEL>%s</DEL>", "[strike]%s[/strike]"]
    ),
    st.sampled_from(["$%d", "%d USD", "USD %d", "US$%d", "%d"]),
)
def test_a_struck_price_never_wins_and_gives_its_currency(
    old: int, asked: int, strike: str, form: str
) -> None:
    for text in (f"{strike % (form % old)} ${asked}", f"${asked} {strike % (form % old)}"):
        assert money.parse(text) == Money(Decimal(asked), "USD"), text
    if form != "%d":
        assert money.parse(f"{strike % (form % old)} {asked}") == Money(Decimal(asked), "USD")


@pytest.mark.outside(18)
@given(
    amounts,
    st.sampled_from(
        [("CAN", "CAD"), ("CDN", "CAD"), ("US", "USD"), ("USA", "USD"), ("AUS", "AUD"), ("NZ", "NZD"),
         ("HK", "HKD"), ("SG", "SGD"), ("MX", "MXN")]
    ),
)  # fmt: skip
def test_a_country_beside_a_dollar_says_whose_dollar(amount: Decimal, country: tuple[str, str]) -> None:
    name, currency = country
    for text in (f"${amount} {name}", f"{amount}$ {name}", f"{amount} $ {name}", f"${amount} ({name})",
                 f"{amount}$ {name} shipped", f"${amount} {name.lower()}"):  # fmt: skip
        assert money.parse(text, "EUR") == Money(amount, currency), text


@pytest.mark.outside(18)
@given(st.integers(1, 9999), st.integers(1, 9), st.integers(0, 999))
def test_powers_in_words_add_up(high: int, thousands: int, rest: int) -> None:
    low = thousands * 1000 + rest
    whole = Decimal(high * 10**4 + low)
    for text in (f"{high}万{low}円", f"{high}万{low:,}円", f"¥{high}万{low}", f"{high}万{low} JPY"):
        assert money.parse(text) == Money(whole, "JPY"), text
    assert money.parse(f"{high}만 {thousands}천원") == Money(
        Decimal(high * 10**4 + thousands * 1000), "KRW"
    )
    assert money.parse(f"{high} lakh {thousands} thousand INR") == Money(
        Decimal(high * 10**5 + thousands * 1000), "INR"
    )


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$50 off $950", "950", "USD"),
        ("$75 off! 875 USD", "875", "USD"),
        ("save $50, $900", "900", "USD"),
        ("save 50 EUR, 900", "900", "EUR"),
        ("reduced by $100 to $850", "850", "USD"),
        ("reduced $100 to $850", "850", "USD"),
        ("$300 off retail, asking $900", "900", "USD"),
        ("$50-100 off, 900 USD", "900", "USD"),
        ("50% discount 300 USD", "300", "USD"),
        ("reduced $850 (was $900)", "850", "USD"),
        ("950 USD off-ear", "950", "USD"),
    ],
)
def test_a_discount_is_no_price(text: str, amount: str, currency: str) -> None:
    assert money.parse(text) == Money(Decimal(amount), currency)


@pytest.mark.parametrize("text", ["$50 off", "save 30 EUR"])
def test_a_discount_alone_names_no_price(text: str) -> None:
    assert money.parse(text) is None


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("Mojo2 450 GBP", "450", "GBP"),
        ("IEM x2 150 USD", "150", "USD"),
        ("HD600 1 200 SEK", "1200", "SEK"),
        ("R12 500", "12500", "ZAR"),
        ("Kč12 500", "12500", "CZK"),
    ],
)
def test_a_digit_at_the_end_of_a_name_is_no_thousand(text: str, amount: str, currency: str) -> None:
    assert money.parse(text) == Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("900+ EUR", "900", "EUR"),
        ("900ish EUR", "900", "EUR"),
        ("900. EUR", "900", "EUR"),
        ("300€50", "300.50", "EUR"),
        ("1 299€99", "1299.99", "EUR"),
        ("950 U.S. Dollars", "950", "USD"),
        ("950 United States dollars", "950", "USD"),
    ],
)
def test_what_stands_between_an_amount_and_its_currency(text: str, amount: str, currency: str) -> None:
    assert money.parse(text, "CAD") == Money(Decimal(amount), currency)
