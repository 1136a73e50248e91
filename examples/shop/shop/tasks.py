"""Tasks as any Celery user writes them; nothing here knows of Watchkeeper."""

from celery import Task, chord, shared_task

STOCK = {"central": {"tea": 12, "cups": 3}, "north": {"tea": 0}}


@shared_task
def count_stock(warehouse: str) -> int:
    """Count what a warehouse has."""
    return sum(STOCK[warehouse].values())


@shared_task
def total(counts: list[int]) -> int:
    """Add up counts."""
    return sum(counts)


@shared_task
def count_everything() -> str:
    """Count all warehouses side by side, then add them up."""
    return chord(count_stock.s(name) for name in STOCK)(total.s()).id


@shared_task(bind=True, autoretry_for=(ConnectionError,), max_retries=3, default_retry_delay=1)
def send_statement(self: Task, to: str, fail_first: int = 0) -> str:
    """Send the monthly statement; the mail server is sometimes away."""
    if self.request.retries < fail_first:
        raise ConnectionError("the mail server is away")
    return f"sent to {to} at attempt {self.request.retries + 1}"
