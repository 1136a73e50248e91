"""Which pool of a token is believed, when some of them lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.discovery.pairs import Pair, believable, best, oldest

NOW = datetime(2026, 3, 1, tzinfo=UTC)
#: What a liar claims.
CLAIMED = {"liquidity": 10_000_000, "volume": 50_000_000}


def pool(
    name: str,
    price: str,
    liquidity: int | None = 1000,
    *,
    volume: int | None = None,
    trades: int | None = None,
    made: datetime | None = NOW,
) -> Pair:
    amounts = [None if value is None else Decimal(value) for value in (price, liquidity, volume)]
    return Pair("solana", name, None, "T", None, None, *amounts, None, None, made, buys_h24=trades)


def price_of(*pools: Pair) -> Decimal | None:
    found = best(pools)
    return None if found is None else found.price_usd


@pytest.mark.outside(19)
def test_a_claimed_liquidity_buys_no_belief() -> None:
    honest = [pool("a", "1", 1000), pool("b", "1.02", 900)]

    assert price_of(*honest, pool("liar", "5000", 10_000_000)) == 1
    assert price_of(*honest, pool("liar", "0.0001", 10_000_000)) == 1


@pytest.mark.outside(19)
@pytest.mark.parametrize("liars", [1, 2, 3])
@pytest.mark.parametrize("lie", ["5000", "0.00002", "13.8"])
@pytest.mark.parametrize("claims", [{"liquidity": 10_000_000}, CLAIMED, {**CLAIMED, "trades": 10**6}])
def test_fewer_liars_than_honest_pools_are_not_believed_whatever_they_claim(
    liars: int, lie: str, claims: dict[str, Any]
) -> None:
    honest = [pool(f"h{n}", f"1.0{n}", 1000 + n, volume=500, trades=9) for n in range(liars + 1)]
    false = [pool(f"liar{n}", lie, **claims) for n in range(liars)]

    assert price_of(*false, *honest) == honest[-1].price_usd
    assert set(believable([*honest, *false])) == set(honest)


@pytest.mark.outside(19)
@pytest.mark.parametrize("liars", [1, 2, 3])
def test_liars_who_name_different_prices_have_no_majority(liars: int) -> None:
    false = [pool(f"liar{n}", f"{10 ** (2 * n + 2)}", 10_000_000) for n in range(liars)]

    assert price_of(*false, pool("a", "1", 1000), pool("b", "1.02", 900)) == 1


@pytest.mark.outside(19)
@pytest.mark.parametrize("liars", [1, 2, 3])
def test_pools_in_which_nobody_trades_have_no_vote(liars: int) -> None:
    idle = [pool(f"liar{n}", "5000", 10_000_000, volume=0, trades=0) for n in range(liars)]

    assert price_of(*idle, pool("a", "1", 1000, volume=800, trades=3)) == 1


@pytest.mark.outside(19)
@pytest.mark.parametrize("pools", [1, 3, 11])
def test_pools_of_dust_have_no_vote(pools: int) -> None:
    dust = [pool(f"d{n}", "13.8", 1, volume=1, trades=1) for n in range(pools)]

    assert price_of(*dust, pool("a", "1", 25_000, volume=800, trades=3)) == 1


@pytest.mark.outside(19)
def test_of_two_pools_the_one_with_trades_is_believed_and_else_the_lower_price() -> None:
    liar, honest = pool("liar", "5000", 10_000_000), pool("a", "1")
    assert price_of(liar, honest) == 1

    assert price_of(pool("a", "0.0001", 10_000_000, trades=2), pool("b", "1", trades=400)) == 1


@pytest.mark.outside(19)
def test_a_pool_between_two_groups_lends_its_belief_to_neither() -> None:
    bridge = [pool("x", "4.5", 10_000_000), pool("y", "20", 10_000_000)]

    assert price_of(pool("a", "1"), pool("b", "1.02", 900), pool("c", "1.01", 800), *bridge) != 20


@pytest.mark.outside(19)
@given(
    st.lists(st.decimals("0.8", "1.2", places=3), min_size=4, max_size=8),
    st.lists(st.decimals("0.000001", "1000000", places=6), max_size=3),
    st.randoms(),
)
def test_a_majority_is_believed_in_any_order(
    honest: list[Decimal], lies: list[Decimal], random: Any
) -> None:
    pools = [pool(f"h{n}", str(price)) for n, price in enumerate(honest)]
    pools += [pool(f"l{n}", str(price), 10_000_000) for n, price in enumerate(lies)]
    random.shuffle(pools)

    assert {one for one in pools if one.pool.startswith("h")} <= set(believable(pools))
    assert Decimal("0.8") / 5 <= (price_of(*pools) or 0) <= Decimal("1.2") * 5


@pytest.mark.outside(19)
def test_a_token_is_as_old_as_its_oldest_pool() -> None:
    first = NOW - timedelta(days=3)

    assert oldest([pool("a", "1"), pool("b", "1", made=first), pool("c", "1", made=None)]) == first
    assert oldest([pool("c", "1", made=None)]) is None
