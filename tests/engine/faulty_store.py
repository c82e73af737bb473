"""A store whose clock is the test's, and that fails where the test says: before a statement or after a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from vedette.store.database import Store


class Crash(BaseException):
    """The process dies here: nothing may handle it."""


class FaultyStore(Store):
    """statements: crash before the statement of this number.  writes: crash after the commit of this number.

    interrupt: (number, call): before the write of that number, `call` is run, as if this process had been paused
    there while another went on. All are counted down from when they are set, and fire once.
    """

    def __init__(self, url: str, start: float = 1_000_000.0) -> None:
        self.time = start
        self.statements: int | None = None
        self.writes: int | None = None
        self.interrupt: tuple[int, Callable[[], object]] | None = None
        super().__init__(url)  # a file, for the driver throws away a connection in which a process died
        event.listen(self.engine, "before_cursor_execute", self._count_statement)

    def now(self, connection: Connection | None = None) -> float:
        return self.time

    def heal(self) -> None:
        self.statements = self.writes = self.interrupt = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._pause()
        with super().write() as connection:
            yield connection
        if self.writes is not None:
            self.writes -= 1
            if self.writes <= 0:
                self.writes = None
                raise Crash("after a commit")

    def _pause(self) -> None:
        if self.interrupt is None:
            return
        left, call = self.interrupt
        self.interrupt = None if left <= 1 else (left - 1, call)
        if left <= 1:
            call()

    def _count_statement(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if self.statements is None:
            return
        self.statements -= 1
        if self.statements <= 0:
            self.statements = None
            raise Crash(f"before {statement[:60]}")
