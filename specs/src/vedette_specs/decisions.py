"""From scores to decisions: conformal p-values and multiple testing."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from vedette_specs.columns import Floats, Mask

Correction = Literal["bonferroni", "bh", "by", "none"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


def conformal_p_values(scores: Floats, calibration: Floats) -> Floats:
    """(n,) ``(1 + #{calibration >= score}) / (m + 1)`` for sorted `calibration` (m,); 1 where a score is NaN.

    Source: Bates, Candes, Lei, Romano, Sesia, "Testing for outliers with conformal p-values" (2023), eq. 1.
    """
    above = len(calibration) - np.searchsorted(calibration, scores, side="left")
    return np.asarray(np.where(np.isnan(scores), 1.0, (1.0 + above) / (len(calibration) + 1.0)))


def benjamini_hochberg(p_values: Floats, q: float, total: int | None = None) -> Mask:
    """(k,) rejections at false discovery rate `q` among `total` tests (k when None).

    With `total` > k the p-values given must contain all those <= q: the rest can never be rejected.
    """
    adjusted = adjust(p_values, "bh", total)
    return np.asarray(adjusted <= q)


def adjust(p_values: Floats, correction: Correction, total: int | None = None) -> Floats:
    """(k,) p-values adjusted for multiple testing, in the order given; NaN stays NaN and is not counted.

    Bonferroni; Benjamini-Hochberg (1995); Benjamini-Yekutieli (2001), valid under any dependence.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction: {correction!r} is not known; allowed: {', '.join(CORRECTIONS)}")
    p_values = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p_values)
    p = p_values[known]
    m = len(p) if total is None else max(total, len(p))
    out = np.full(len(p_values), np.nan)
    if correction == "none" or len(p) == 0:
        out[known] = p
        return out
    if correction == "bonferroni":
        out[known] = np.minimum(1.0, p * m)
        return out
    factor = float(np.sum(1.0 / np.arange(1, m + 1))) if correction == "by" else 1.0
    order = np.argsort(p, kind="stable")
    scaled = p[order] * m * factor / np.arange(1, len(p) + 1)
    stepped = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    back = np.empty_like(stepped)
    back[order] = stepped
    out[known] = back
    return out
