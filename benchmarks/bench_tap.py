"""What a tap costs its model: microseconds an offer (goal: at most 5), and rows a second that the flusher captures.

python benchmarks/bench_tap.py
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from vedette.config.plan import TapSpec
from vedette.engine.capture import Call
from vedette.engine.message import TapPlan
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import InProcessTransport
from vedette_specs import Batch, Schema

FEATURES = [f"x{i}" for i in range(20)]
SCHEMA = Schema(dict.fromkeys(FEATURES, "numeric"), "binary", ("0", "1"))
OFFERS = 5000
ROUNDS = 7


class Sink:
    rows = 0

    def apply(self, message: bytes) -> None:
        Sink.rows += 1


def calls() -> dict[str, Callable[[], Any]]:
    values = np.random.default_rng(0).normal(size=20).tolist()
    record = dict(zip(FEATURES, values, strict=True))
    v1, answer = json.dumps({"instances": [values]}).encode(), b'{"predictions": [1]}'
    tensor = {"name": "x", "shape": [1, 20], "datatype": "FP64", "data": values}
    v2 = json.dumps({"id": "r", "inputs": [tensor]}).encode()
    frame = np.array([values])
    wide = np.tile(frame, (256, 1))
    headers = {"x-request-id": "r-1", "content-type": "application/json"}
    return {
        "V1 body": lambda: Call(v1, answer, headers),
        "V2 body": lambda: Call(v2, answer, headers),
        "record": lambda: Call(record, {"prediction": 1, "score": 0.9}, request_id="r"),
        "array, 1 row": lambda: Call(args=(frame,), response=[1]),
        "array, 256 rows": lambda: Call(args=(wide,), response=np.ones(256, dtype=int)),
    }


def measure(make: Callable[[], Any]) -> tuple[float, float]:
    """(median us an offer, us a row of capture)."""
    tap = Tap(InProcessTransport({"default": Sink()}, TapPlan("d", SCHEMA, ("default",))), TapSpec(1 << 30, 1 << 40))
    offers, captures = [], []
    for _ in range(ROUNDS):
        items = [make() for _ in range(OFFERS)]
        gc.collect()
        captured = tap.counters().get("captured", 0)
        assert tap._capturing is not None
        with tap._capturing._lock:  # offers alone; the flusher's work is measured after it
            start = time.perf_counter()
            for item in items:
                tap.offer(item)
            offers.append((time.perf_counter() - start) / OFFERS)
        start = time.perf_counter()
        assert tap.flush(120)
        captures.append((time.perf_counter() - start) / (tap.counters()["captured"] - captured))
    tap.close()
    return statistics.median(offers) * 1e6, statistics.median(captures) * 1e6


def batches() -> float:
    tap = Tap(InProcessTransport({"default": Sink()}, TapPlan("d", SCHEMA, ("default",))), TapSpec(1 << 30, 1 << 40))
    data = np.random.default_rng(0).normal(size=(1000, 20))
    batch = Batch.from_bytes(Batch({}, SCHEMA).to_bytes(), SCHEMA)
    from vedette_specs import numeric

    batch = batch.with_inputs(**{name: numeric(data[:, i]) for i, name in enumerate(FEATURES)})
    start = time.perf_counter()
    for _ in range(200):
        tap.offer_batch(batch)
    assert tap.flush(60)
    seconds = time.perf_counter() - start
    tap.close()
    return 200_000 / seconds


if __name__ == "__main__":
    print(f"{'call':<18}{'us an offer':>12}{'us a row captured':>20}")
    for name, make in calls().items():
        offer, capture = measure(make)
        print(f"{name:<18}{offer:>12.2f}{capture:>20.2f}")
    print(f"columnar batches of 1000 rows: {batches():,.0f} rows/s")
