"""`tasks.discovery.profile`: who bought the chosen tokens early, and with what gain."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from tasks.discovery import early, token_profiles, wallet_tokens, wallets
from tasks.discovery.early import Buyer, Reach
from tasks.discovery.sources import geckoterminal
from tasks.discovery.sources.geckoterminal import Trades
from tasks.discovery.watch import WATCH
from workers.errors import Blocked, NotFound, RateLimited, UpstreamError
from workers.execution import Item, Work, app, count_words
from workers.ledger import Options

#: GeckoTerminal gives no older trades.
DEPTH = timedelta(hours=24)


class ProfileOptions(Options):
    """Window and gain are those that the discovery asked for, unless set here."""

    early_window_minutes: int | None = Field(None, ge=5, le=120, description="Minutes from the start")
    min_profit_pct: float | None = Field(None, ge=0, le=500, description="Least gain, percent")
    max_tokens: int = Field(100, ge=1, le=1000, description="Most tokens in a run")
    run_id: UUID | None = Field(None, description="Only the tokens of this discovery run")


@dataclass(frozen=True, slots=True)
class Asked:
    """A discovery run that asked for a token's early buyers, and for which."""

    run_id: str
    minutes: int
    profit: float

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to answer with."""

    asked: Asked
    reach: Reach
    trades: Trades


def plan(work: Work[ProfileOptions]) -> Iterable[Item]:
    """One item a token, however many discovery runs asked for it: its trades are fetched once."""
    options = work.options
    with work.read() as connection:
        rows = token_profiles.still_open(connection, options.max_tokens, options.run_id)
    items: dict[int, Item] = {}
    for row in rows:
        made, profit = row.pool_created_at, options.min_profit_pct
        data = {
            "token_id": row.token_id,
            "chain": row.chain,
            "address": row.address,
            "pool": row.pool,
            "made_at": made.isoformat() if made else None,
            "asked": [],
        }
        item = items.setdefault(row.token_id, Item(f"{row.chain}:{row.address}", data))
        asked = Asked(
            str(row.run_id),
            options.early_window_minutes or row.early_window_minutes,
            float(row.min_profit_pct if profit is None else profit),
        )
        item.data["asked"].append(asdict(asked))
    return items.values()


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 5 tokens analysed, 12 new wallets, 3 updated, 2 tokens out of reach."""
    analysed, new, updated = (counts.get(name, 0) for name in ("analysed", "new", "updated"))
    parts = [f"{count_words(analysed, 'token')} analysed", count_words(new, "new wallet")]
    parts.append(f"{updated} updated")
    if missed := counts.get("out_of_reach"):
        parts.append(f"{count_words(missed, 'token')} out of reach")
    return ", ".join(parts)


@app.task(
    name=__name__,
    options=ProfileOptions,
    plan=plan,
    summary=summary,
    queue=WATCH.queue,
    upstream=geckoterminal.UPSTREAM,
    batch_size=20,
    in_flight=5,
    min_every=timedelta(minutes=5),
)
def profile(work: Work[ProfileOptions]) -> None:
    """Find who bought the tokens that discoveries chose early, and with what gain."""
    work.each(_profile)


def _profile(work: Work[ProfileOptions], item: Item) -> None:
    asked = asked_of(item)
    try:
        looks = _look(work, item, asked)
    except (RateLimited, Blocked):
        raise
    except UpstreamError as error:
        with work.failing(item, error=str(error)) as connection:
            for one in asked:
                token_profiles.put_last(connection, UUID(one.run_id), item.data["token_id"])
    else:
        _finish(work, item, looks)


def asked_of(item: Item) -> list[Asked]:
    # Items that a worker of the version before has planned are of one run each.
    one_run = {name: item.data.get(name) for name in ("run_id", "minutes", "profit")}
    return [Asked(**one) for one in item.data.get("asked") or [one_run]]


def _finish(work: Work[Any], item: Item, looks: list[Look]) -> None:
    wallets_found: set[str] = set()
    new_wallets = 0
    out_of_reach = int(not any(look.reach.covered for look in looks))
    with work.done(item, analysed=1, out_of_reach=out_of_reach) as connection:
        for look in looks:
            found = _buyers(item, look) if look.reach.covered else []
            new, updated = store(connection, work.run_id, item, found, look.reach)
            token_profiles.finish(
                connection,
                UUID(look.asked.run_id),
                item.data["token_id"],
                profile_run_id=work.run_id,
                trades=len(look.trades.rows),
                profiled_wallets=len(found),
                new_wallets=new,
                updated_wallets=updated,
                note=look.reach.note,
            )
            new_wallets += new
            wallets_found |= {buyer.wallet for buyer in found}
        work.count(new=new_wallets, updated=len(wallets_found) - new_wallets)


def _look(work: Work[Any], item: Item, asked: list[Asked]) -> list[Look]:
    """The trades and how much of each window they cover; no call when they cannot cover any."""
    data, none = item.data, Trades([], is_cut=False)
    if data["pool"] is None or data["made_at"] is None:
        unknown = Reach(covered=False, note="no pool with a known beginning")
        return [Look(one, unknown, none) for one in asked]
    made = datetime.fromisoformat(data["made_at"])
    limit = work.now().astimezone(UTC) - DEPTH
    known = [Look(one, early.reach(made, one.window, limit), none) for one in asked]
    if not any(look.reach.covered for look in known):
        return known
    try:
        trades = geckoterminal.fetch_trades(work.client, data["chain"], data["pool"], data["address"])
    except NotFound:
        unlisted = Reach(covered=False, note="GeckoTerminal does not know the chain or the pool")
        return [Look(one, unlisted, none) for one in asked]
    if trades.given and not trades.rows:
        note = f"none of {trades.given} trades is one of the token"
        return [Look(one, Reach(covered=False, note=note), trades) for one in asked]
    oldest = min(trade.at for trade in trades.rows) if trades.is_cut else limit
    reaches = [early.reach(made, one.window, max(oldest, limit)) for one in asked]
    # That none is given does not prove that those known from before were not early.
    return [
        Look(one, replace(reach, whole=reach.whole and trades.given > 0), trades)
        for one, reach in zip(asked, reaches, strict=True)
    ]


def _buyers(item: Item, look: Look) -> list[Buyer]:
    made = datetime.fromisoformat(item.data["made_at"])
    return early.buyers(look.trades.rows, made, look.asked.window, look.asked.profit)


def store(
    connection: Connection, run_id: UUID, item: Item, found: list[Buyer], reach: Reach
) -> tuple[int, int]:
    """Store wallets, their tokens and scores; how many wallets are new, and known before.

    Only trades of the whole window prove who was not early; else what was known before stays.
    """
    if not reach.covered:
        return 0, 0
    data = item.data
    wallets.lock(connection)
    ids = wallets.upsert(connection, data["chain"], [buyer.wallet for buyer in found])
    rows = [
        {
            "wallet_id": ids[buyer.wallet][0],
            "token_id": data["token_id"],
            "run_id": run_id,
            "pool": data["pool"],
            "first_bought_at": buyer.first_at,
            "bought_usd": buyer.bought_usd,
            "gain_pct": buyer.gain_pct,
        }
        for buyer in found
    ]
    touched = {row["wallet_id"] for row in rows}
    wallet_tokens.add(connection, rows)
    if reach.whole:
        touched |= wallet_tokens.drop_others(connection, data["token_id"], data["pool"], set(touched))
    gains = wallet_tokens.gains(connection, touched)
    wallets.rate(connection, {key: (early.score(own), len(own)) for key, own in gains.items()})
    new = sum(is_new for _, is_new in ids.values())
    return new, len(ids) - new
