"""A transaction that begins at its first use: an outcome without rows needs none of its own."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection


class LazyTransaction:
    """Stands for the connection of a transaction, which its first attribute opens."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin
        self._opened: tuple[AbstractContextManager[Connection], Connection] | None = None

    @property
    def is_open(self) -> bool:
        return self._opened is not None

    def open(self) -> Connection:
        if self._opened is None:
            context = self._begin()
            self._opened = context, context.__enter__()
        return self._opened[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.open(), name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return None if self._opened is None else self._opened[0].__exit__(kind, error, trace)
