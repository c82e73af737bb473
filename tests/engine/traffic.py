"""Rows, plans and bundles for the engine's tests, and what the engine must say about them, computed without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vedette.config.plan import (
    AlertSpec,
    ComponentSpec,
    ExplainSpec,
    LabelsSpec,
    MonitorSpec,
    Plan,
    SinkSpec,
    WindowSpec,
)
from vedette.engine.bundle import Bundle, build_bundle
from vedette.engine.message import Message
from vedette.plugins import Registry, get_registry
from vedette_specs.batch import Batch, concat
from vedette_specs.columns import Column, category, numeric
from vedette_specs.schema import Schema

SCHEMA = Schema({"x": "numeric", "c": "category"}, "binary", ("no", "yes"), "yes")
COLOURS = ("blue", "green", "red")
REGIONS = ("eu", "us")


def metric(use: str, alias: str = "", **options: Any) -> ComponentSpec:
    return ComponentSpec("metric", use, options, alias or use)


def tumbling(seconds: float, **more: Any) -> WindowSpec:
    return WindowSpec(f"{seconds:g}s", span=seconds, every=seconds, **more)


def sliding(seconds: float, every: float, **more: Any) -> WindowSpec:
    return WindowSpec(f"{seconds:g}s/{every:g}s", span=seconds, every=every, **more)


def by_rows(rows: int, every: int | None = None, **more: Any) -> WindowSpec:
    return WindowSpec(f"{rows} rows", rows=rows, every=float(every or rows), **more)


def lifetime(**more: Any) -> WindowSpec:
    return WindowSpec("lifetime", lifetime=True, **more)


def monitor(name: str, *components: ComponentSpec, windows: Sequence[WindowSpec] = (), **more: Any) -> MonitorSpec:
    return MonitorSpec(name, components, windows=tuple(windows), **more)


def detector(name: str, kind: Any, use: str, *windows: WindowSpec, **more: Any) -> MonitorSpec:
    options = more.pop("options", {})
    return MonitorSpec(name, (ComponentSpec(kind, use, options, use),), windows=windows, **more)


def plan_of(*monitors: MonitorSpec, **more: Any) -> Plan:
    return Plan(model="m", schema=more.pop("schema", SCHEMA), monitors=monitors, **more)


def rows(
    rng: np.random.Generator, times: Iterable[float], ids: Sequence[tuple[str, int]] | None = None, shift: float = 0.0
) -> Batch:
    """Traffic at these event times: a normal `x` with gaps, a colour, a region and a prediction."""
    at = np.asarray(list(times), dtype=np.float64)
    n = len(at)
    x = rng.normal(shift, 1.0, n)
    x[rng.random(n) < 0.1] = np.nan
    keys = list(ids) if ids is not None else [(f"{rng.integers(2**62):x}", 0) for _ in range(n)]
    names = np.empty(n, dtype=object)
    names[:] = [key[0] for key in keys]
    return Batch(
        inputs={"x": numeric(x), "c": category(rng.choice(COLOURS, n).tolist(), COLOURS)},
        schema=SCHEMA,
        ids=names,
        rows=np.array([key[1] for key in keys], dtype=np.int32),
        times=at,
        prediction=category(rng.choice(SCHEMA.classes, n).tolist(), SCHEMA.classes),
        attributes={"region": category(rng.choice(REGIONS, n).tolist(), REGIONS)},
    )


def reference(n: int = 600, seed: int = 7) -> Batch:
    batch = rows(np.random.default_rng(seed), np.zeros(n))
    return batch.replace(ids=None, rows=None, times=None, labels=batch.prediction)


def bundle_of(plan: Plan, registry: Registry | None = None, fitted_on: Batch | None = None) -> Bundle:
    return build_bundle(plan, registry or get_registry(), reference() if fitted_on is None else fitted_on)


def message(producer: str, seq: int, batch: Batch | None, low: float, **more: Any) -> bytes:
    body = None if batch is None else batch.to_bytes()
    return Message(producer, seq, low, body, 0 if batch is None else len(batch), **more).to_bytes()


def labelled(batch: Batch, values: Mapping[tuple[str, int], str]) -> Batch:
    """The rows that have a label, with it."""
    assert batch.ids is not None
    assert batch.rows is not None
    keys = list(zip(batch.ids.tolist(), batch.rows.tolist(), strict=True))
    found = [i for i, key in enumerate(keys) if key in values]
    part = batch.take(np.asarray(found, dtype=np.intp))
    return part.replace(labels=category([values[keys[i]] for i in found], SCHEMA.classes))


def same(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Equal JSON values, floats within `tolerance` (relative and absolute)."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, float | int) and isinstance(b, float | int):
        return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))
    return bool(a == b)


__all__ = [
    "AlertSpec", "Batch", "Bundle", "Column", "ComponentSpec", "ExplainSpec", "LabelsSpec", "MonitorSpec", "Plan",
    "Registry", "SinkSpec", "WindowSpec", "bundle_of", "by_rows", "concat", "detector", "get_registry", "labelled",
    "lifetime", "message", "metric", "monitor", "plan_of", "reference", "rows", "same", "sliding", "tumbling",
]  # fmt: skip
