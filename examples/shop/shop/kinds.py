"""A task as a kind: items that succeed or fail one by one, and survive a killed worker."""

from collections.abc import Iterable

from pydantic import Field

from shop.celery import app
from shop.tasks import STOCK
from workers.execution import Item, Work
from workers.ledger import Options


class StockOptions(Options):
    """Which warehouses are counted."""

    warehouses: list[str] = Field(default=["central", "north"], description="Names of warehouses")


def plan(work: Work[StockOptions]) -> Iterable[Item]:
    """One item a warehouse."""
    return [Item(name) for name in work.options.warehouses]


@app.task(options=StockOptions, plan=plan, queue="shop")
def take_stock(work: Work[StockOptions]) -> None:
    """Count what each warehouse has; one that is unknown fails alone."""
    for item in work.items():
        with work.attempt(item):
            pieces = sum(STOCK[item.key].values())
            # Rows written here are committed with the item's outcome.
            with work.done(item, pieces=pieces):
                pass
