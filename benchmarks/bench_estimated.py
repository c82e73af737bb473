"""Performance without labels: how near the estimates come, and what they cost, beside NannyML's CBPE on the same rows.

Run: python benchmarks/bench_estimated.py [--rows 5000] [--nannyml ENV]   ENV: a virtual environment that has nannyml
Windows: none (no shift), inputs (covariate shift that the model does not see), classes (label shift). Errors are
estimate - realised. Seconds are CPU seconds for one window: add and result; NannyML's are those of estimate().
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

import vedette
from vedette_specs import Batch, Column, Floats, ResultContext, Schema, numeric

ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc"]
SCHEMA = Schema({f"x{i}": "numeric" for i in range(3)}, "binary", ("0", "1"), "1")


def sigmoid(z: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-z)))


def draw(rng: np.random.Generator, n: int, shift: float = 0.0, share: float | None = None) -> Batch:
    """A model that is too sure and does not know x2.  shift: of x2.  share: of class 1."""
    x = rng.normal(size=(n if share is None else 12 * n, 3)) + np.array([0.0, 0.0, shift])
    y = rng.random(len(x)) < sigmoid(1.2 * x[:, 0] + x[:, 2] + 0.6 * x[:, 1] - 0.2)
    if share is not None:
        ones = int(rng.binomial(n, share))
        rows = np.concatenate([np.flatnonzero(y)[:ones], np.flatnonzero(~y)[: n - ones]])
        x, y = x[rows], y[rows]
    p = sigmoid(1.8 * x[:, 0] + 0.9 * x[:, 1] + 0.3)
    inputs = {f"x{i}": numeric(x[:, i]) for i in range(3)}
    labels = Column("category", y.astype(np.int32), SCHEMA.classes)
    return Batch(inputs, SCHEMA, probabilities=np.column_stack([1.0 - p, p]), labels=labels)


def ours(use: str, reference: Batch, windows: dict[str, Batch]) -> None:
    part = cast("Any", vedette.make(use, estimate=NAMES)).fit(reference)
    for name, window in windows.items():
        part.compute(window)
        start = time.process_time()
        result = part.result(part.add(part.create(), window), ResultContext())
        show(use, name, result.values, window, time.process_time() - start, result.details.get("chosen", ""))


def show(who: str, name: str, values: Any, window: Batch, seconds: float, more: str = "") -> None:
    truth = {m: cast("Any", vedette.make(m).bind(SCHEMA)).compute(window).values[m] for m in NAMES}
    errors = "  ".join(f"{m} {values[m]:.6f} ({values[m] - truth[m]:+.4f})" for m in NAMES)
    print(f"{who:<18} {name:<8} {errors}  {seconds:.3f} s {more}")


def nannyml(env: Path, reference: Batch, windows: dict[str, Batch]) -> None:
    script = Path(__file__).with_name("estimated_peer.py")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        parts = {"reference": reference, **windows}
        pairs = {name: [b.probabilities[:, 1], b.labels.values] for name, b in parts.items()}
        np.savez(data, **{name: np.stack(pair) for name, pair in pairs.items()})
        command = [str(env / "bin" / "python"), str(script), str(data)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""}
        )
    if done.returncode:
        print(f"nannyml: failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    for name, window in windows.items():
        show(f"nannyml {found['version']}", name, found[name]["values"], window, found[name]["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--nannyml", type=Path, metavar="ENV", help="a virtual environment that has nannyml")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    reference = draw(rng, 10_000)
    windows = {"none": draw(rng, args.rows), "inputs": draw(rng, args.rows, 0.7)}
    windows["classes"] = draw(rng, args.rows, share=0.2)
    for use in ("cbpe", "pape", "label_shift", "performance_range"):
        ours(use, reference, windows)
    if args.nannyml is None:
        print("nannyml: absent: name its environment with --nannyml")
    else:
        nannyml(args.nannyml, reference, windows)


if __name__ == "__main__":
    if any(name not in os.environ for name in ONE_CORE):  # read when numpy is imported, so begin again with them
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})
    main()
