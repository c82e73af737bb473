"""Which coalitions of features to try, within a budget of rows.

A *game* is one background row: its players are the features, a coalition takes the explained row's values and the
others keep the background row's. Shapley values over a background are the mean over its games. Giving every game
coalitions of its own, instead of all games the same ones, lets their errors average out: the same number of rows then
gives a half to a third of the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats, Mask

Method = Literal["exact", "permutation", "leverage"]
LEVERAGE_FROM = 4  # coalitions a feature: with fewer, permutations are more exact than a regression


@dataclass(frozen=True)
class Plan:
    """background: rows used of it.  games, coalitions: number of games, coalitions in each (for each row explained)."""

    method: Method
    background: int
    games: int
    coalitions: int

    def rows(self, explained: int) -> int:
        """Rows that are asked for in all."""
        return explained + self.background + explained * self.games * self.coalitions


def choose(features: int, explained: int, background: int, max_rows: int) -> Plan:
    """The most exact plan that `max_rows` allow; ValueError where they are too few for any.

    Exact where all coalitions fit; else paired leverage-score sampling (Musco & Witter, arXiv 2410.01917) where every
    background row gets 4 coalitions a feature; else permutations with their reverses, each on one background row.
    """
    pair = 2 * (features - 1)
    least = explained * (pair + 1) + 1
    if max_rows < least:
        raise ValueError(
            f"max_rows: {max_rows} rows cannot explain {explained} rows of {features} features; it takes {least}"
        )
    # The base value needs each background row predicted: never more than a third of the budget.
    used = max(1, min(background, (max_rows - explained) // 3, max_rows - explained * (pair + 1)))
    each = (max_rows - explained - used) // explained
    everything = 2**features - 2
    if everything * used <= each:
        return Plan("exact", used, used, everything)
    if (affordable := each // used // 2 * 2) >= LEVERAGE_FROM * features:
        return Plan("leverage", used, used, affordable)
    return Plan("permutation", used, each // pair, pair)


def design(plan: Plan, features: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], Mask]:
    """(games,) background row and (games, coalitions, features) True for the explained row's values.

    Coalitions come in pairs with their complements: 2i and 2i + 1 (exact: i and all - i).
    """
    passes = -(-plan.games // plan.background)
    rows = np.concatenate([rng.permutation(plan.background) for _ in range(passes)])[: plan.games]
    if plan.method == "exact":
        codes = np.arange(1, plan.coalitions + 1)
        masks = (codes[:, None] >> np.arange(features)) & 1 == 1
        return rows, np.broadcast_to(masks, (plan.games, *masks.shape))
    if plan.method == "permutation":
        return rows, _permutations(plan.games, features, rng)
    return rows, np.stack([_leverage(features, plan.coalitions // 2, rng) for _ in range(plan.games)])


def sizes_weights(masks: Mask) -> Floats:
    """(coalitions,) regression weights: the Shapley kernel's of a size, shared by the coalitions of that size."""
    sizes = masks.sum(axis=1)
    seen = np.bincount(sizes, minlength=masks.shape[1] + 1)
    return np.asarray(1.0 / (sizes * (masks.shape[1] - sizes) * seen[sizes]))


def _permutations(games: int, features: int, rng: np.random.Generator) -> Mask:
    """The first k features of a random order, k = 1.., each followed by its complement (the reverse order's)."""
    orders = rng.permuted(np.tile(np.arange(features), (games, 1)), axis=1)
    place = np.argsort(orders, axis=1)
    heads = place[:, None, :] < np.arange(1, features)[None, :, None]
    return np.stack([heads, ~heads], axis=2).reshape(games, -1, features)


def _leverage(features: int, pairs: int, rng: np.random.Generator) -> Mask:
    """Paired coalitions whose leverage in the kernel regression is uniform over sizes: about as many of each size.

    Within a size they are cut from random orders, so that every feature is in about as many of them.
    """
    parts = []
    for size, number in enumerate(_per_size(features, pairs, rng), start=1):
        if number == 0:
            continue
        per_order = features // size
        orders = rng.permuted(np.tile(np.arange(features), (-(-number // per_order), 1)), axis=1)
        members = orders[:, : per_order * size].reshape(-1, size)[:number]
        mask = np.zeros((number, features), dtype=bool)
        np.put_along_axis(mask, members, True, axis=1)
        parts.append(np.stack([mask, ~mask], axis=1).reshape(-1, features))
    return np.concatenate(parts)


def _per_size(features: int, pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(features // 2,) pairs of each size of the smaller half: equal shares, at most as many as there are."""
    sizes = np.arange(1, features // 2 + 1)
    middle = np.where(2 * sizes == features, 0.5, 1.0)  # a coalition of half the features pairs with its own size
    most = np.array([float(comb(features, int(size))) for size in sizes]) * middle
    shares = np.zeros(len(sizes))
    for _ in sizes:
        free = shares < most
        left = pairs - shares.sum()
        if left <= 1e-9 or not free.any():
            break
        shares = np.minimum(most, shares + free * middle * left / middle[free].sum())
    # Systematic rounding: the fractions' sum is kept, each size gets its share on average.
    steps = np.floor(np.concatenate([[0.0], np.cumsum(shares)]) + rng.random())
    numbers = np.diff(steps).astype(np.int64)
    numbers[-1] += pairs - numbers.sum()
    return numbers
