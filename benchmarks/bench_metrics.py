"""All metrics without labels on 20 numeric and 5 category columns, rows a second on one core, beside its peers.

Run: python benchmarks/bench_metrics.py [--rows 50000] [--batch 1000]
     [--whylogs ENV] [--river ENV] [--evidently ENV]   ENV: a virtual environment that has the peer
Rows come in batches, as from traffic; every peer counts the same rows in a process and environment of its own.
What a peer counts is printed with it, and beside it the rate of those of Vedette's metrics that count the same.
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
from vedette_specs import Batch, Column, Fittable, Metric, ResultContext, Schema

ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NUMERIC, CATEGORY = 20, 5
LIKE = {  # the metrics that count what the peer counts
    "whylogs": ("moments", "missing_rate", "quantile", "distinct_count", "heavy_hitters"),
    "river": ("moments", "quantile", "frequencies"),
    "evidently": ("moments", "missing_rate", "quantile", "frequencies"),
}
METRICS = (
    "moments", "missing_rate", "quantile", "extremes", "histogram", "out_of_range", "outside_reference",
    "frequencies", "new_categories", "distinct_count", "heavy_hitters", "entropy", "type_mismatches",
    "duplicate_rows", "covariance", "joint_histogram", "fourier_mean", "subspace_angle", "class_balance",
    "confidence", "margin", "prediction_entropy",
)  # fmt: skip


def table(n: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    columns = {f"x{i}": Column("numeric", rng.normal(size=n)) for i in range(NUMERIC)}
    for i in range(CATEGORY):
        names = tuple(f"value {k}" for k in range(10 * 4**i // 4 + 2))
        columns[f"c{i}"] = Column("category", rng.integers(0, len(names), n).astype(np.int32), names)
    schema = Schema(task="multiclass", classes=("a", "b", "c"))
    p = rng.dirichlet(np.ones(3), n)
    answer = Column("category", p.argmax(axis=1).astype(np.int32), schema.classes)
    return Batch(columns, schema, probabilities=p, prediction=answer)


def seconds(metric: Metric, parts: list[Batch]) -> float:
    """CPU seconds for adding all parts to one state, and its result."""
    metric.add(metric.create(), parts[0])
    start = time.thread_time()
    state = metric.create()
    for part in parts:
        state = metric.add(state, part)
    metric.result(state, ResultContext())
    return time.thread_time() - start


def ours(parts: list[Batch], reference: Batch) -> dict[str, float]:
    """CPU seconds of each metric."""
    taken = {}
    for name in METRICS:
        made = cast("Any", vedette.make(name))
        taken[name] = seconds(made.fit(reference) if isinstance(made, Fittable) else made.bind(reference.schema), parts)
        print(f"  {name:<20} {sum(map(len, parts)) / taken[name]:>12,.0f} rows/s")
    return taken


def peer(name: str, env: Path, data: Path, batch: int) -> dict[str, Any] | str:
    """What metrics_peers.py prints, or why it does not."""
    python = env / "bin" / "python"
    if not python.exists():
        return f"absent: {python} does not exist"
    script = Path(__file__).with_name("metrics_peers.py")
    command = [str(python), str(script), name, str(data), str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    return cast("dict[str, Any]", json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=1000)
    for name in LIKE:
        parser.add_argument(f"--{name}", type=Path, metavar="ENV", help=f"a virtual environment that has {name}")
    args = parser.parse_args()
    reference, live = table(5000, 0), table(args.rows, 1)
    parts = [live.take(slice(i, i + args.batch)) for i in range(0, args.rows, args.batch)]
    print(f"{args.rows} rows of {NUMERIC} numeric and {CATEGORY} category columns in batches of {args.batch}; one core")
    taken = ours(parts, reference)
    every = args.rows / sum(taken.values())
    print(f"vedette, all {len(METRICS)} metrics: {every:,.0f} rows/s")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(
            data, **{k: c.values if c.kind == "numeric" else c.strings().astype(str) for k, c in live.inputs.items()}
        )
        for name, alike in LIKE.items():
            env = getattr(args, name)
            found = "absent: name its environment with --" + name if env is None else peer(name, env, data, args.batch)
            if isinstance(found, str):
                print(f"{name}: {found}")
                continue
            rate, like = args.rows / found["seconds"], args.rows / sum(taken[metric] for metric in alike)
            print(f"{name} {found['version']} ({found['what']}): {rate:,.0f} rows/s")
            print(f"  vedette, {', '.join(alike)}: {like:,.0f} rows/s, x{like / rate:.1f}; all: x{every / rate:.1f}")


if __name__ == "__main__":
    if any(name not in os.environ for name in ONE_CORE):  # read when numpy is imported, so begin again with them
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})
    main()
