"""Forks wait for transactions on SQLite.

SQLite keeps a table of the locks that a process's connections hold on a file. A child that was forked within a
transaction inherits its entry, and with it a lock that nobody gives back: whatever it opens on this file later is
"locked" for good. So a fork waits until no transaction is under way, and transactions wait for the fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds; a fork is never given up, and a child is no worse off than it was


class Gate:
    """Transactions pass it in any number; a fork shuts it."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Nobody is in a transaction, as in a child: it has none of its parent's threads."""
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False
        self._own = threading.local()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Of a transaction, or of one within it, which must not wait for a fork that waits for the outer one."""
        depth: int = getattr(self._own, "depth", 0)
        if depth == 0:
            self._enter()
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            if depth == 0:
                self._leave()

    def shut(self) -> None:
        """Wait for the transactions of other threads."""
        own = 1 if getattr(self._own, "depth", 0) else 0
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._inside <= own, PATIENCE)

    def reopen(self) -> None:
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1

    def _leave(self) -> None:
        with self._changed:
            self._inside = max(0, self._inside - 1)  # a child leaves what its parent has entered
            self._changed.notify_all()


GATE = Gate()
os.register_at_fork(before=GATE.shut, after_in_parent=GATE.reopen, after_in_child=GATE.renew)
