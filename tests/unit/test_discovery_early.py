"""Who was early, what they gained, and what 300 trades of a day cannot show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tasks.discovery.early import Trade, buyers, reach, score
from tasks.discovery.sources.geckoterminal import parse_trades

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=30)


def trade(wallet: str, minutes: float, amount: float, usd: float, *, sell: bool = False) -> Trade:
    at = MADE + timedelta(minutes=minutes)
    return Trade(wallet, not sell, Decimal(str(amount)), Decimal(str(usd)), at)


def test_only_those_who_bought_within_the_window_are_early() -> None:
    trades = [trade("early", 30, 10, 10), trade("late", 30.1, 10, 10), trade("last", 600, 1, 3)]

    assert [one.wallet for one in buyers(trades, MADE, WINDOW, 50)] == ["early"]


def test_a_gain_below_the_least_is_not_kept_and_one_equal_to_it_is() -> None:
    trades = [trade("a", 1, 10, 20), trade("b", 2, 10, 20.01), trade("z", 600, 1, 3)]

    assert [(one.wallet, one.gain_pct) for one in buyers(trades, MADE, WINDOW, 50)] == [
        ("a", Decimal(50))
    ]


def test_what_was_sold_counts_at_its_price_and_what_is_held_at_the_last() -> None:
    trades = [trade("a", 1, 10, 10), trade("a", 60, 5, 20, sell=True), trade("z", 600, 1, 2)]

    (found,) = buyers(trades, MADE, WINDOW, 0)

    assert (found.gain_pct, found.bought_usd) == (Decimal(200), Decimal(10))


def test_selling_more_than_was_bought_counts_in_proportion() -> None:
    trades = [trade("a", 1, 10, 10), trade("a", 60, 40, 80, sell=True)]

    assert buyers(trades, MADE, WINDOW, 0)[0].gain_pct == 100


def test_trades_that_are_not_given_are_said_to_be_out_of_reach() -> None:
    assert reach(MADE, WINDOW, None).covered
    assert reach(MADE, WINDOW, MADE).note is None
    part = reach(MADE, WINDOW, MADE + timedelta(minutes=10))
    assert (part.covered, part.note) == (
        True, "a part of the early trades is out of reach: none before 2026-03-01 12:10 UTC",
    )  # fmt: skip
    assert not reach(MADE, WINDOW, MADE + WINDOW).covered


def test_one_token_doubled_is_50_and_two_are_75() -> None:
    assert [score([Decimal(100)] * count) for count in (0, 1, 2)] == [0, 50, 75]


@given(st.lists(st.decimals(0, 10**6, places=2), max_size=20), st.decimals(0, 10**6, places=2))
def test_a_score_stays_between_0_and_100_and_never_falls_by_one_more_gain(
    gains: list[Decimal], more: Decimal
) -> None:
    assert 0 <= score(gains) <= score([*gains, more]) <= 100


@given(
    st.lists(
        st.builds(
            trade, st.sampled_from("abc"), st.floats(0, 100), st.floats(0, 1e12), st.floats(0, 1e12),
            sell=st.booleans(),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_trades_give_buyers_or_none(trades: list[Trade]) -> None:
    found = buyers(trades, MADE, WINDOW, 0)

    assert len({one.wallet for one in found}) == len(found)
    assert all(one.gain_pct >= 0 and one.first_at <= MADE + WINDOW for one in found)


def test_of_two_trades_at_one_time_the_later_one_has_the_last_price() -> None:
    def row(usd: str) -> dict[str, str]:
        return {
            "kind": "buy", "block_timestamp": "2026-03-01T12:01:00Z", "tx_from_address": "a",
            "to_token_address": "T", "to_token_amount": "1", "volume_in_usd": usd,
        }  # fmt: skip

    found = parse_trades({"data": [{"attributes": row("4")}, {"attributes": row("1")}]}, "T")

    assert [trade.usd for trade in found.rows] == [1, 4]
    assert buyers(found.rows, MADE, WINDOW, 0)[0].gain_pct == 60
