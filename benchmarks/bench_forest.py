"""CPU time of an isolation forest's scores: `score_samples` of scikit-learn and ours, in turns, on the same forest.

Run: python benchmarks/bench_forest.py [--trees 200]
Monitors of little traffic score small batches: there scikit-learn's jobs, locks and warnings for each tree take most
of the time. Both give the same scores, to the bit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import IsolationForest as Forest

from vedette.components.outlier._isolation_trees import IsolationTrees

COLUMNS, ROUNDS = 20, 11


def milliseconds(score: Callable[[Any], Any], rows: Any) -> float:
    start = time.process_time()
    score(rows)
    return (time.process_time() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=200)
    trees = parser.parse_args().trees
    rng = np.random.default_rng(0)
    forest = Forest(n_estimators=trees, max_samples=256, random_state=0).fit(rng.normal(size=(3000, COLUMNS)))
    ours = IsolationTrees(forest)
    print(f"{'rows':>6}{'scikit-learn ms':>17}{'vedette ms':>12}{'ratio':>8}")
    for count in (1, 10, 150, 1000, 8192):
        rows = rng.normal(size=(count, COLUMNS))
        if not np.array_equal(-forest.score_samples(rows), ours.scores(rows)):
            raise SystemExit(f"{count} rows: the scores differ")
        pairs = [(milliseconds(forest.score_samples, rows), milliseconds(ours.scores, rows)) for _ in range(ROUNDS)]
        theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{count:>6}{theirs:>17.2f}{mine:>12.2f}{theirs / mine:>8.1f}")


if __name__ == "__main__":
    main()
