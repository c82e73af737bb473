"""The conformal Shiryaev-Roberts recursion over an ordered run of binned rows, vectorised in blocks of rows.

Conformal p-values: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2nd ed., 2022), ch. 8.
Shiryaev-Roberts e-detectors: Shin, Ramdas, Rinaldo, "E-detectors" (2024), def. 2.5; mixtures of them, sec. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette.components.change.binning import Bins, Counts
from vedette_specs import Floats

LAMBDAS = np.array([0.25, 0.5, 0.9, -0.25, -0.5, -0.9])
BETS = 3 * len(LAMBDAS)
BLOCK = 32
"""Rows a block: few enough that comparing all pairs is cheap and that products of bets cannot underflow."""


@dataclass(frozen=True)
class Run:
    """Where the recursion stands. counts: (d, width) reference and rows so far.  evidence: (d, BETS), R of each bet.
    rows: how many of the given rows were used.  alarm: the column that crossed at the last of them, or None."""

    counts: Counts
    evidence: Floats
    rows: int
    alarm: int | None


def bets(p: Floats) -> Floats:
    """(..., BETS) ``1 + lambda * P_j(2p - 1)`` for Legendre polynomials P_1..P_3; mean one for uniform `p`."""
    x = 2.0 * p - 1.0
    legendre = np.stack([x, 1.5 * x**2 - 0.5, (2.5 * x**2 - 1.5) * x], axis=-1)
    return np.asarray((1.0 + legendre[..., None] * LAMBDAS).reshape(*p.shape, BETS))


def fold_rows(counts: Counts, evidence: Floats, bins: Bins, uniforms: Floats, threshold: float) -> Run:
    """Fold ordered rows: `bins` and `uniforms` are (d, n). Stops at the first row where a column's mean evidence
    reaches `threshold`. Changes no argument."""
    counts = counts.copy()
    for start in range(0, bins.shape[1], BLOCK):
        block = bins[:, start : start + BLOCK]
        factors = bets(_p_values(counts, block, uniforms[:, start : start + BLOCK]))
        path = _recursion(evidence, factors)
        crossed = path.mean(axis=2) >= threshold
        if crossed.any():
            row = int(np.argmax(crossed.any(axis=0)))
            column = int(np.argmax(path[:, row].mean(axis=1)))
            _count(counts, block[:, : row + 1])
            return Run(counts, path[:, row], start + row + 1, column)
        _count(counts, block)
        evidence = path[:, -1]
    return Run(counts, evidence, bins.shape[1], None)


def _p_values(counts: Counts, block: Bins, uniforms: Floats) -> Floats:
    """(d, b) smoothed conformal p-values; each row is ranked among the counts and the block's rows before it."""
    size = block.shape[1]
    before = np.tri(size, k=-1, dtype=bool)
    mine, other = block[:, :, None], block[:, None, :]
    columns = np.arange(len(block))[:, None]
    above = counts.sum(axis=1, keepdims=True) - np.cumsum(counts, axis=1)
    higher = above[columns, block] + np.count_nonzero((other > mine) & before, axis=2)
    equal = counts[columns, block] + np.count_nonzero((other == mine) & before, axis=2)
    total = counts[0].sum() + np.arange(size)
    return np.asarray((higher + uniforms * (equal + 1)) / (total + 1))


def _recursion(evidence: Floats, factors: Floats) -> Floats:
    """(d, b, BETS) path of ``R = (R + 1) f``, which is ``prod f * (R_0 + sum of 1 / earlier products)``.

    All terms are positive, so nothing cancels; factors are within [0.1, 1.9], so a block's product is >= 1e-32.
    """
    product = np.cumprod(factors, axis=1)
    earlier: NDArray[np.float64] = np.ones_like(product)
    np.divide(1.0, product[:, :-1], out=earlier[:, 1:])
    return np.asarray(product * (evidence[:, None, :] + np.cumsum(earlier, axis=1)))


def _count(counts: Counts, block: Bins) -> None:
    np.add.at(counts, (np.arange(len(block))[:, None], block), 1)
