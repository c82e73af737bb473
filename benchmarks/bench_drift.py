"""Window tests beside scipy in one run: reference 10 000 rows (compiled once), window 1000 rows.

Run: python benchmarks/bench_drift.py [--columns 20] [--window 1000] [--repeats 50]
Prints CPU seconds of one window's test (median), and how many times longer scipy takes for the same columns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from vedette.components.drift.chi2 import Chi2
from vedette.components.drift.ks import KS
from vedette.components.drift.tabular import Tabular
from vedette_specs import Batch, Column


def seconds(run: Callable[[], object], repeats: int) -> float:
    run()
    taken = []
    for _ in range(repeats):
        start = time.thread_time()
        run()
        taken.append(time.thread_time() - start)
    return float(np.median(taken))


def table(rng: np.random.Generator, n: int, numeric: int, category: int) -> Batch:
    names = tuple("abcdefgh")
    columns = {f"x{i}": Column("numeric", rng.normal(size=n)) for i in range(numeric)}
    for i in range(category):
        columns[f"c{i}"] = Column("category", rng.integers(0, 8, n).astype(np.int32), names)
    return Batch(columns)


def scipy_ks(reference: Batch, window: Batch, method: str) -> list[float]:
    return [
        stats.ks_2samp(reference.inputs[k].values, window.inputs[k].values, method=method).pvalue
        for k in reference.inputs
    ]


def scipy_chi2(reference: Batch, window: Batch) -> list[float]:
    return [
        stats.chi2_contingency(
            [np.bincount(reference.inputs[k].values), np.bincount(window.inputs[k].values)], correction=False
        ).pvalue
        for k in reference.inputs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=50)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    d, repeats = args.columns, args.repeats

    def pair(numeric: int, category: int) -> tuple[Batch, Batch]:
        return table(rng, args.reference, numeric, category), table(rng, args.window, numeric, category)

    reference, window = pair(d, 0)
    ks = KS().fit(reference)
    ours = seconds(lambda: ks.test(window), repeats)
    few = max(3, repeats // 10)
    asymptotic = seconds(lambda: scipy_ks(reference, window, "asymp"), few)
    auto = seconds(lambda: scipy_ks(reference, window, "auto"), few)
    shifted = window.replace(inputs={k: Column("numeric", c.values + 0.3) for k, c in window.inputs.items()})
    drifted = seconds(lambda: ks.test(shifted), repeats)
    print(f"reference {args.reference} x window {args.window}, {d} columns; CPU seconds a window")
    print(f"ks       {ours:.5f}  scipy asymptotic {asymptotic:.5f} (x{asymptotic / ours:.1f}), auto {auto:.5f}")
    print(f"ks, all columns drifted {drifted:.5f}")
    reference, window = pair(0, d)
    chi2 = Chi2().fit(reference)
    ours = seconds(lambda: chi2.test(window), repeats)
    theirs = seconds(lambda: scipy_chi2(reference, window), few)
    print(f"chi2     {ours:.5f}  scipy {theirs:.5f} (x{theirs / ours:.1f})")
    reference, window = pair(d // 2, d // 2)
    tabular = Tabular().fit(reference)
    print(f"tabular  {seconds(lambda: tabular.test(window), repeats):.5f}  (half numeric, half category)")


if __name__ == "__main__":
    main()
