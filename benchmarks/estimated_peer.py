"""NannyML's side of bench_estimated.py, run in its own environment: `<environment>/bin/python estimated_peer.py data`.

data: .npz of (2, n) arrays, probability of class 1 and label, one of them `reference`.
Prints JSON: the version, and per window the values and CPU seconds of CBPE.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc"]


def main(path: str) -> None:
    import nannyml
    import pandas as pd

    with np.load(path) as data:
        frames = {k: pd.DataFrame({"p": v[0], "y": v[1].astype(int), "z": (v[0] >= 0.5) * 1}) for k, v in data.items()}
    reference = frames.pop("reference")
    found: dict[str, Any] = {"version": version("nannyml")}
    for name, frame in frames.items():
        estimator = nannyml.CBPE(
            y_pred_proba="p", y_pred="z", y_true="y", problem_type="classification_binary", metrics=NAMES,
            chunk_size=len(frame),
        ).fit(reference)  # fmt: skip
        estimator.estimate(frame)
        start = time.process_time()
        result = estimator.estimate(frame)
        seconds = time.process_time() - start
        table = result.filter(period="analysis").to_df()
        values = {metric: float(table[metric, "value"].iloc[0]) for metric in NAMES}
        found[name] = {"values": values, "seconds": seconds}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
