"""Log wealth by slots of event time: bets that can begin anew, mergeable in any order and bounded.

A bet that runs from the first row on loses for as long as all is well, and has that to earn back when harm comes. So
half of the wealth is spread over bets that begin later, one at each boundary between slots. Rows of a slot count
together, whatever order they come in; where there are more than `SLOTS` of them all become twice as long. How long they
are depends on the rows' times alone, so merging gives the same in any order.

Promise: each bet has its share from the start on, and all shares together are 1 at most, so the sum is an e-process
(Ville) as each of them is. A boundary whose number has v trailing zeros (in binary) is there while slots are ``2**v``
units long at most. Those are boundaries of at most SLOTS slots of that length; with ``1 / ((v + 1) (v + 2))`` for
each v, which sums to 1, each has the share ``1 / (2 SLOTS (v + 1) (v + 2))``. When slots grow, bets are given up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

SECONDS = 10.0
"""The shortest slots, a unit: the panes of short ticks stay small."""
SLOTS = 512


@dataclass(frozen=True)
class Slots:
    """numbers: (m,) ascending slots of ``2**level`` units that hold rows.  logs: (m, bets) log wealth made in each."""

    level: int
    numbers: NDArray[np.int64]
    logs: Floats


def no_slots(bets: int) -> Slots:
    return Slots(0, np.zeros(0, dtype=np.int64), np.zeros((0, bets)))


def slots_of(times: Floats | None, logs: Floats) -> Slots:
    """Slots of rows with (n, bets) log wealth; rows without a time are of one slot."""
    numbers = np.zeros(len(logs)) if times is None else np.floor(times / SECONDS)
    return _bounded(_gathered(0, numbers.astype(np.int64), logs))


def merge_slots(left: Slots, right: Slots) -> Slots:
    level = max(left.level, right.level)
    numbers = [one.numbers >> (level - one.level) for one in (left, right)]
    return _bounded(_gathered(level, np.concatenate(numbers), np.concatenate([left.logs, right.logs])))


def log_evidence(slots: Slots) -> Floats:
    """(bets,) log of half the wealth since the first row, and of the shares of what began later."""
    since = np.cumsum(slots.logs[::-1], axis=0)[::-1]  # from each slot's beginning until now
    if not len(since):
        return np.full(slots.logs.shape[1], -np.log(2.0))
    shares = np.concatenate([[np.log(0.5)], log_share(slots.numbers[1:], slots.level)])
    logs = since + shares[:, None]
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).sum(axis=0)))


def log_share(numbers: NDArray[np.int64], level: int) -> Floats:
    """(m,) log shares of the bets that begin with these slots."""
    zeros = np.log2(np.maximum(numbers & -numbers, 1).astype(np.float64)) + level
    return np.asarray(-np.log(2.0 * SLOTS * (zeros + 1.0) * (zeros + 2.0)))


def _bounded(slots: Slots) -> Slots:
    while len(slots.numbers) > SLOTS:
        slots = _gathered(slots.level + 1, slots.numbers >> 1, slots.logs)
    return slots


def _gathered(level: int, numbers: NDArray[np.int64], logs: Floats) -> Slots:
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    first = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]])[: len(numbers)])
    return Slots(level, numbers[first], np.add.reduceat(logs[order], first, axis=0) if len(first) else logs)
