"""P-values of the two-sample Kolmogorov-Smirnov statistic, for many columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import kstwo

from vedette_specs import Floats

_EXACT = 40_000  # n m, and
_STEPS = 1_000  # n + m, up to which paths are counted: n + m operations on vectors of min(n, m)
_PELZ_GOOD = 30  # effective sample size above which the expansion is used: within 9e-5 of the law
_PRECISE = 140  # and above which it is within 3e-6
_TERMS = np.arange(1, 12)


def ks_p_values(statistic: Floats, n: NDArray[np.int64], m: NDArray[np.int64]) -> Floats:
    """(d,) P(D >= statistic) for samples of n (d,) and m (d,) values; NaN where one of them is empty.

    Exact (n m <= 40 000 and n + m <= 1000; with ties conservative), else the law of the one-sample statistic at
    n m / (n + m) values, as scipy.stats.ks_2samp has it: Pelz and Good (1976) in the body, within 1e-3 of p there;
    twice Smirnov's one-sided law in the tail.
    """
    out = np.full(len(statistic), np.nan)
    usable = (n > 0) & (m > 0)
    small = usable & (n * m <= _EXACT) & (n + m <= _STEPS)
    for pair in {(int(a), int(b)) for a, b in zip(n[small], m[small], strict=True)}:
        here = small & (n == pair[0]) & (m == pair[1])
        out[here] = exact_p_values(statistic[here], *pair)
    large = usable & ~small
    size = np.round(n[large] * m[large] / np.maximum(n[large] + m[large], 1))
    out[large] = _one_sample(statistic[large], size)
    return np.asarray(np.clip(out, 0.0, 1.0))


def exact_p_values(statistic: Floats, n: int, m: int) -> Floats:
    """(d,) share of lattice paths from (0, 0) to (n, m) on which |i / n - j / m| reaches `statistic`.

    ``p(i, j) = i / (i + j) p(i - 1, j) + j / (i + j) p(i, j - 1)`` with p = 1 outside the band: sums of positive
    terms, so that small p-values keep their digits. Source: Hodges, "The significance probability of the Smirnov
    two-sample test" (1958).
    """
    if n > m:
        n, m = m, n
    # Differences are multiples of 1 / (n m); the statistic is one of them up to rounding.
    limit = np.round(statistic * n * m)[:, None]
    i = np.arange(n + 1)
    p = np.zeros((len(statistic), n + 1))
    p[:, 0] = limit[:, 0] <= 0
    for s in range(1, n + m + 1):
        j = s - i
        low, high = max(0, s - m), min(n, s)
        stay = (j / s) * p
        stay[:, 1:] += (i[1:] / s) * p[:, :-1]
        p = np.where(np.abs(i * m - j * n) >= limit, 1.0, stay)
        p[:, :low] = 0.0
        p[:, high + 1 :] = 0.0
    return p[:, n]


def _one_sample(d: Floats, n: Floats) -> Floats:
    out = np.empty(len(d))
    # Twice the one-sided law is exact to all digits that matter in the tail; it sums n terms, so that it takes over
    # from the expansion only where p is small enough to see the difference.
    tail = n * d * d >= np.where(n > _PRECISE, 5.0, 2.2)
    for size in np.unique(n[tail]):
        here = tail & (n == size)
        out[here] = 2.0 * one_sided_p_values(d[here], int(size))
    body = ~tail & (n > _PELZ_GOOD)
    out[body] = 1.0 - pelz_good_cdf(d[body], n[body])
    rest = ~tail & ~body
    out[rest] = kstwo.sf(d[rest], n[rest])
    return out


def one_sided_p_values(d: Floats, n: int) -> Floats:
    """(k,) P(D_n+ >= d) = d sum_{j <= n (1 - d)} C(n, j) (d + j / n)^(j - 1) (1 - d - j / n)^(n - j), for 0 < d <= 1.

    Source: Birnbaum and Tingey, Ann. Math. Statist. 22 (1951), 592-596, equation 3.0.
    """
    j = np.arange(n + 1.0)
    factorial = gammaln(j + 1.0)
    choose = factorial[-1] - factorial - factorial[::-1]
    out = np.empty(len(d))
    for i, x in enumerate(d.tolist()):
        left = 1.0 - x - j / n
        inside = left > 0.0
        k = j[inside]
        log_terms = choose[inside] + (k - 1.0) * np.log(x + k / n) + (n - k) * np.log(left[inside])
        with np.errstate(under="ignore"):
            out[i] = x * np.exp(log_terms).sum()
    return out


def pelz_good_cdf(d: Floats, n: Floats) -> Floats:
    """(d,) P(D_n < d) to order n^-3/2. Source: Pelz and Good, J. R. Statist. Soc. B 38 (1976), 152-156."""
    z = np.maximum(np.sqrt(n) * d, 1e-3)[:, None]
    pi2 = np.pi**2
    odd, even = (2 * _TERMS - 1)[None, :] / 2.0, _TERMS[None, :].astype(float)
    z2, z4, z6 = z**2, z**4, z**6
    with np.errstate(under="ignore"):
        q_odd, q_even = np.exp(-pi2 * odd**2 / (2 * z2)), np.exp(-pi2 * even**2 / (2 * z2))
    k2, k4, k6 = odd**2, odd**4, odd**6
    c0 = np.sqrt(2 * np.pi) / z * q_odd
    c1 = np.sqrt(np.pi / 2) / (3 * z4) * ((pi2 * k2 - z2) * q_odd)
    c2 = np.sqrt(np.pi / 2) / (36 * z**7) * (
        (6 * z6 + 2 * z4) + pi2 * (2 * z4 - 5 * z2) * k2 + pi2**2 * (1 - 2 * z2) * k4
    ) * q_odd  # fmt: skip
    c2_even = -np.sqrt(np.pi / 2) / (18 * z**3) * (pi2 * even**2 * q_even)
    c3 = np.sqrt(np.pi / 2) / (3240 * z**10) * (
        -30 * z6 - 90 * z**8
        + pi2 * (135 * z4 - 96 * z6) * k2
        + pi2**2 * (212 * z4 - 60 * z2) * k4
        + pi2**3 * (5 - 30 * z2) * k6
    ) * q_odd  # fmt: skip
    c3_even = np.sqrt(np.pi / 2) / (108 * z6) * ((3 * z2 * pi2 * even**2 - pi2**2 * even**4) * q_even)
    root = np.sqrt(n)
    total = c0.sum(1) + c1.sum(1) / root + (c2.sum(1) + c2_even.sum(1)) / n + (c3.sum(1) + c3_even.sum(1)) / n / root
    return np.asarray(np.where(z[:, 0] <= 1e-3, 0.0, np.clip(total, 0.0, 1.0)))
