"""How a thread of the tap shares Python's lock with those of the model."""

from __future__ import annotations

import time

SHORTEST = 0.0002  # seconds of work between two pauses
PAUSE = 0.00005  # seconds; of sleep(0) few others hear


class Turn:
    """A thread that works for long pauses now and then: one of the model that wakes meanwhile waits for a pause,
    where it would wait for sys.getswitchinterval() (5 ms) otherwise.

    Where threads of the model compute all the time, a pause lasts until they have had their intervals. The next turn
    lasts for a share of that, so that the tap does not stand still beside them.

    share: of a pause, by which the next turn is measured: 1 for who has fallen behind, less leaves the model its pace.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._long = SHORTEST
        self._begun = time.perf_counter()

    def let_others_in(self) -> None:
        now = time.perf_counter()
        if now - self._begun > self._long:
            time.sleep(PAUSE)
            self._begun = time.perf_counter()
            self._long = max(SHORTEST, self._share * (self._begun - now))
