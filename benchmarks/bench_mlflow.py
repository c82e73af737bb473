"""What being watched costs an MLflow model: `mlflow models serve` and `vedette mlflow serve` of one model, in one run.

python benchmarks/bench_mlflow.py [--seconds 3] [--blocks 3] [--connections 4] [--rows 1] [--workers 1]

Rounds alternate plain, watched, watched, plain, so that noise and drift of the machine hit both alike; a client in a
process of its own sends one request after the other on a few connections. The monitors are `monitors: auto` (quality,
drift, shift, outliers, performance) and count every row during the watched rounds. The model is a logistic regression
with a signature, asked by `dataframe_split`; both servers log each request, as MLflow's does.

Throughput is what a user sees, with a caveat on a small machine: client, scoring processes and monitors share its
cores, and a closed loop is slowed by whatever else runs, so the ratio charges the model with the monitors' own work
(which elsewhere happens on other cores). The CPU time per request of the scoring processes alone, from
/proc/<pid>/stat, says what the tap itself costs: copying, decoding, encoding, sending. The last column is what the
process of the monitors used meanwhile. Goal: throughput >= 97 % of plain.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from paired import compare, options_of, report

FEATURES = [f"x{i}" for i in range(20)]
START = 240.0
VEDETTE = [sys.executable, "-c", "from vedette.cli import main; main()"]
YAML = """
version: 1
model: {name: bench}
reference: reference.parquet
schema: {label: label, positive: "1"}
store: sqlite:///vedette.db
monitors: auto
"""


def make(folder: Path) -> Path:
    """The model's folder; reference.parquet and monitors.yaml are written beside it."""
    import mlflow
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(3000, len(FEATURES))), columns=FEATURES)
    chance = 1 / (1 + np.exp(-(rows @ np.linspace(-1.0, 1.0, len(FEATURES)))))
    labels = (rng.random(len(rows)) < chance).astype(int).astype(str)
    rows.assign(label=labels).to_parquet(folder / "reference.parquet")
    (folder / "monitors.yaml").write_text(YAML)
    model = LogisticRegression().fit(rows, labels)
    signature = mlflow.models.infer_signature(rows, model.predict(rows))
    mlflow.sklearn.save_model(
        model, str(folder / "model"), signature=signature, pip_requirements=[], serialization_format="cloudpickle"
    )
    return folder / "model"


@contextmanager
def server(command: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder.parent, stdout=log, stderr=log, env=dict(environment))
        try:
            yield process
        finally:
            process.terminate()
            process.wait(120)


def descendants(pid: int) -> list[int]:
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [deeper for child in found for deeper in descendants(child)]


def running(pid: int, word: str) -> list[int]:
    """The descendants whose command line holds a word; those of a shell that became them, too."""
    return [one for one in descendants(pid) if word in Path(f"/proc/{one}/cmdline").read_bytes().decode()]


def wait_for(folder: Path, said: str, process: subprocess.Popen[bytes]) -> re.Match[str]:
    deadline = time.monotonic() + START
    while True:
        text = (folder / "log").read_text()
        if found := re.search(said, text):
            return found
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server does not come up:\n{text}")
        time.sleep(0.2)


def run(folder: Path, options: argparse.Namespace) -> None:
    model = str(make(folder))
    plain, watched = folder / "plain", folder / "watched"
    plain.mkdir()
    watched.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    workers = str(options.workers)
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    mlflow += ["-m", model, "-p", "0", "-w", workers]
    ours = [*VEDETTE, "mlflow", "serve", "-m", model, "-c", "monitors.yaml", "--port", "0", "--workers", workers]
    with server(mlflow, plain, environment) as first, server(ours, watched, environment) as second:
        found = wait_for(watched, r"(http://127\.0\.0\.1:\d+)/invocations", second)[1]
        there = wait_for(plain, r"Uvicorn running on (http://127\.0\.0\.1:\d+)", first)[1]
        urls = {"plain": f"{there}/invocations", "watched": f"{found}/invocations"}
        time.sleep(3)  # plain workers load the model
        scoring = {"plain": running(first.pid, ""), "watched": running(second.pid, "vedette_mlflow.scoring")}
        monitors = running(second.pid, "vedette_mlflow.monitoring")
        report(compare(urls, scoring, monitors, options, len(FEATURES), "dataframe_split"))


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--workers", type=int, default=1, help="scoring processes of each server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options)


if __name__ == "__main__":
    main()
