"""Rows per second that one core adds: moments, quantile (KLL) and drift bins (ks), 20 numeric columns, batches of 8192.

Run: python benchmarks/bench_worker_components.py [--rows 8192] [--columns 20] [--seconds 2]
The bar is 500 000 rows/s for the three together. CPU time of one thread is measured, best of many adds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from vedette.components.drift.ks import KS
from vedette.components.metrics.moments import Moments
from vedette.components.metrics.quantile import Quantile
from vedette_specs import Batch, Metric, State, as_batch


def seconds_per_round(run: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Median and least CPU seconds of `run`."""
    taken = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 5:
        start = time.thread_time()
        run()
        taken.append(time.thread_time() - start)
    return float(np.median(taken)), min(taken)


def adder(parts: list[Metric], batches: list[Batch]) -> Callable[[], None]:
    """One round: every batch added to the running state of every part."""
    states: list[State] = [part.create() for part in parts]

    def run() -> None:
        for batch in batches:
            for i, part in enumerate(parts):
                states[i] = part.add(states[i], batch)

    run()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(10_000, args.columns))
    batches = [as_batch(rng.normal(size=(args.rows, args.columns))) for _ in range(4)]
    ks = KS().fit(reference)
    for name, parts in {
        "moments": [Moments()],
        "quantile": [Quantile()],
        "ks": [ks],
        "all three": [Moments(), Quantile(), ks],
    }.items():
        median, best = seconds_per_round(adder(parts, batches), args.seconds)
        rows = args.rows * len(batches)
        per_value = median / rows / args.columns * 1e9
        print(f"{name:10s} {rows / median:12,.0f} rows/s (best {rows / best:,.0f}), {per_value:.1f} ns a value")


if __name__ == "__main__":
    main()
