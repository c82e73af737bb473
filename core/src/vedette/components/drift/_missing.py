"""Fisher's exact test of two shares."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, gammaln

from vedette_specs import Floats

_LARGE = 10_000  # totals of the rarer outcome above this: the chi-square law is as good, and does not grow with n


def missing_p_value(a: int, n: int, b: int, m: int) -> float:
    """Two-sided P of a table as unlikely as a of n against b of m, given the total a + b.

    Sums the hypergeometric probabilities that are no larger than that of the table seen (Fisher 1935; the convention
    of scipy.stats.fisher_exact); the uncorrected chi-square law when both outcomes occur more than 10 000 times.
    """
    total, rest = a + b, n + m - a - b
    if min(total, rest) == 0:
        return 1.0
    if min(total, rest) > _LARGE:
        z = (a * m - b * n) * np.sqrt(float(n + m)) / np.sqrt(float(n) * m * total * rest)
        return float(chdtrc(1.0, z * z))
    if rest < total:
        a, b, total = n - a, m - b, rest
    k = np.arange(max(0, total - m), min(n, total) + 1, dtype=np.float64)
    log_p = _log_choose(n, k) + _log_choose(m, total - k) - _log_choose(n + m, np.array([float(total)]))
    seen = log_p[a - int(k[0])]
    with np.errstate(under="ignore"):
        return min(1.0, float(np.exp(log_p[log_p <= seen + 1e-7]).sum()))


def _log_choose(n: int, k: Floats) -> Floats:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
