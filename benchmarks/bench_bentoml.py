"""What being watched costs a model on BentoML: the same service plain and watched, each by `bentoml serve`.

python benchmarks/bench_bentoml.py [--seconds 3] [--blocks 3] [--connections 4] [--rows 1] [--rate 300]

As bench_rayserve.py (see paired.py): rounds alternate plain, watched, watched, plain, on the same machine in one run.
The monitors are `monitors: auto`, a service of their own, and count every row. The model is a logistic regression that
costs almost nothing, so that the tap's share of a request is as large as it can be; its endpoint is asynchronous and
takes lists, so that neither threads nor conversions hide it.

A closed loop on a small machine charges the model with the monitors' own work, which shares its cores. The CPU time per
request of the model's process alone, from /proc/<pid>/stat, says what the tap itself costs. Goals: throughput >= 97 %
of plain; <= 0.3 CPU-ms more a request at 1 row.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from paired import compare, options_of, report

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
FEATURES = [f"x{i}" for i in range(20)]
WEIGHTS = np.linspace(-1.0, 1.0, len(FEATURES))
YAML = """
version: 1
model: {name: bench}
reference: reference.parquet
schema: {label: label, positive: "1"}
store: "sqlite:///vedette.db"
monitors: auto
"""
MODEL = """
from typing import Any

import bentoml
import numpy as np

WEIGHTS = np.linspace(-1.0, 1.0, 20)


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Model:
    @bentoml.api
    async def predict(self, instances: list[list[float]]) -> dict[str, Any]:
        chance = 1.0 / (1.0 + np.exp(-(np.array(instances) @ WEIGHTS)))
        return {"predictions": ["1" if p >= 0.5 else "0" for p in chance], "probabilities": chance.tolist()}
"""
WATCHED = """
import plain
import vedette_bentoml

svc = vedette_bentoml.watch(plain.Model, "monitors.yaml")
"""


def prepare(folder: Path) -> None:
    import pandas as pd

    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3000, len(FEATURES)))
    labels = (rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-(rows @ WEIGHTS)))).astype(int).astype(str)
    pd.DataFrame(rows, columns=FEATURES).assign(label=labels).to_parquet(folder / "reference.parquet")
    (folder / "monitors.yaml").write_text(YAML)
    (folder / "plain.py").write_text(MODEL)
    (folder / "watched.py").write_text(WATCHED)


def main() -> None:
    options = options_of(__doc__).parse_args()
    from tests.bentoml.serving import Bento, environment

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        env = environment(folder / "home")
        with Bento("plain:Model", folder, env, monitored=False) as plain, Bento("watched:svc", folder, env) as watched:
            sites = {"plain": plain, "watched": watched}
            models = {name: site.pids("Model") for name, site in sites.items()}
            monitors = watched.pids("vedette_")
            urls = {name: f"{site.url}/predict" for name, site in sites.items()}
            report(compare(urls, models, monitors, options, len(FEATURES)))
            print({name: value for name, value in watched.metrics().items() if "rows" in name and value})


if __name__ == "__main__":
    main()
