"""The upstream client for a plain task: permits, retries and robots.txt as in a kind."""

import functools
import inspect
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import current_task

from workers.errors import QuotaSpent, QuotaWait
from workers.plain.running import HEADER
from workers.upstreams import UpstreamClient


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    """Pass an `UpstreamClient` as ``client``, which no caller and no schedule gives.

    Use it below ``@app.task``.  When no permit is free soon the task is retried by Celery at the time
    when one is, so no worker is held; such retries do not count against ``max_retries``.  What the task
    did before begins again then.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        request = current_task.request if current_task else None
        found = request.get(HEADER) if request else None
        client = UpstreamClient(run_id=UUID(found), seq=0) if found else UpstreamClient()
        try:
            return function(*args, client=client, **kwargs)
        except QuotaWait as wait:
            _retry_later(wait, countdown=wait.seconds)
        except QuotaSpent as spent:
            _retry_later(spent, eta=spent.until)

    shown = inspect.signature(function)
    given = [one for name, one in shown.parameters.items() if name != "client"]
    vars(run)["__signature__"] = shown.replace(parameters=given)
    return run


def _retry_later(error: Exception, **when: Any) -> None:
    if not current_task or current_task.request.called_directly:
        raise error
    before, current_task.max_retries = current_task.max_retries, None
    try:
        raise current_task.retry(exc=error, **when)
    finally:
        current_task.max_retries = before
