"""Side of a peer in bench_metrics.py, run in the peer's own environment.

Run: <environment>/bin/python metrics_peers.py whylogs|river|evidently data.npz batch
Prints JSON: the peer's version, what it counts, and its CPU seconds for all rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np


def columns(path: str) -> dict[str, Any]:
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def whylogs(data: dict[str, Any], batch: int) -> tuple[str, Callable[[], object]]:
    import pandas as pd
    from whylogs.core import DatasetProfile

    frame = pd.DataFrame({k: v.astype(object) if v.dtype.kind == "U" else v for k, v in data.items()})
    parts = [frame.iloc[i : i + batch] for i in range(0, len(frame), batch)]

    def run() -> None:
        profile = DatasetProfile()
        for part in parts:
            profile.track(part)

    return "counts, types, moments, KLL quantiles, HLL, frequent items", run


def river(data: dict[str, Any], batch: int) -> tuple[str, Callable[[], object]]:
    from river import stats

    lists = {name: values.tolist() for name, values in data.items()}

    def run() -> None:
        for values in lists.values():
            if isinstance(values[0], str):
                counts: Counter[str] = Counter()
                for value in values:
                    counts[value] += 1
                continue
            parts = [stats.Var(), stats.Skew(), stats.Kurtosis(), stats.Min(), stats.Max(), stats.Quantile(0.5)]
            for value in values:
                for part in parts:
                    part.update(value)

    return "variance, skewness, kurtosis, extremes, one P2 quantile; counts of categories", run


def evidently(data: dict[str, Any], batch: int) -> tuple[str, Callable[[], object]]:
    import pandas as pd
    from evidently import Dataset, Report
    from evidently.presets import DataSummaryPreset

    frame = pd.DataFrame({k: v.astype(object) if v.dtype.kind == "U" else v for k, v in data.items()})

    def run() -> None:
        Report([DataSummaryPreset()]).run(Dataset.from_pandas(frame), None).dict()

    return "DataSummaryPreset on all rows at once: counts, missing, moments, quantiles, categories", run


def main() -> None:
    name, path, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = columns(path)
    what, run = {"whylogs": whylogs, "river": river, "evidently": evidently}[name](data, batch)
    start = time.process_time()
    run()
    print(json.dumps({"version": version(name), "what": what, "seconds": time.process_time() - start}))


if __name__ == "__main__":
    main()
