"""Rows a second through a whole worker on one core: decode, commit to SQLite, count, checkpoint.

20 numeric columns with moments, KLL quantiles and KS bins. Run: python benchmarks/bench_worker.py [rows]
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vedette.config import load_text
from vedette.engine import lifecycle
from vedette.engine.bundle import build_bundle
from vedette.engine.message import Message
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette_specs import as_batch
from vedette_specs.batch import Batch
from vedette_specs.schema import Schema

COLUMNS, ROWS = 20, 8192
YAML = """
version: 1
model: {name: bench}
reference: reference.parquet
monitors:
  quality: {metrics: [moments, quantile], window: 1m}
  drift: {detect: ks, window: 1m}
"""


def main(total: int) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        reference = {f"x{i}": rng.normal(size=10_000) for i in range(COLUMNS)}
        _parquet(reference, Path(folder) / "reference.parquet")
        registry = get_registry()
        plan = load_text(YAML, base=folder, registry=registry)
        bundle = build_bundle(plan, registry, as_batch(reference, plan.schema))
        store = Store(f"sqlite:///{folder}/bench.db")
        lifecycle.deploy(store, bundle)
        core = WorkerCore(store, bundle, "default")
        messages = _messages(plan.schema, rng, max(4, total // ROWS))
        core.apply(messages[0])
        core.checkpoint()
        parts = {"decode": 0.0, "commit": 0.0, "count": 0.0, "checkpoint": 0.0}
        start = time.process_time()
        for message in messages[1:]:
            parts["decode"] += _timed(lambda m=message: core.parse(m))
            parsed = core.parse(message)
            parts["decode"] -= 0.0
            begun = time.process_time()
            _, logged = core.commit([parsed])
            parts["commit"] += time.process_time() - begun
            parts["count"] += _timed(lambda rows=logged: core.absorb(rows))
            if len(core.pending) >= 32:
                parts["checkpoint"] += _timed(core.checkpoint)
        parts["checkpoint"] += _timed(core.checkpoint)
        spent = time.process_time() - start - parts["decode"]  # decoding ran twice
        rows = ROWS * (len(messages) - 1)
        print(f"worker, {COLUMNS} numeric columns, moments + KLL + KS bins: {rows} rows in {spent:.2f} CPU-s")
        print(f"  {rows / spent:,.0f} rows/s a core (goal 500,000); counting alone {rows / parts['count']:,.0f} rows/s")
        print("  us a row: " + ", ".join(f"{k} {1e6 * v / rows:.2f}" for k, v in parts.items()))
        print(f"  closing the ticks: {_timed(lambda: Reducer(store, bundle, 'default', registry).step(2e9)):.2f} CPU-s")
        store.close()


def _messages(schema: Schema, rng: np.random.Generator, count: int) -> list[bytes]:
    producer = uuid.uuid4().hex
    found = []
    now = time.time()
    for seq in range(1, count + 1):
        batch: Batch = as_batch({f"x{i}": rng.normal(size=ROWS) for i in range(COLUMNS)}, schema)
        ids = np.array([f"{producer}-{seq * ROWS + i}" for i in range(ROWS)], dtype=object)
        batch = batch.replace(ids=ids, rows=np.zeros(ROWS, dtype=np.int32), times=np.full(ROWS, now + seq * 1e-3))
        found.append(Message(producer, seq, now, batch.to_bytes(), ROWS).to_bytes())
    return found


def _timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _parquet(columns: dict[str, object], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
