"""What a slide costs, over windows of 10 to 1000 panes, beside merging all panes anew."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from vedette import make
from vedette.engine.reduce.windows import Span, TwoStacks, join_all
from vedette_specs import Batch, Metric, numeric

SLIDES = 2000
COLUMNS = 20


def panes(metric: Metric, count: int) -> list[Span]:
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(16):
        batch = Batch({f"x{i}": numeric(rng.normal(size=200)) for i in range(COLUMNS)})
        kinds.append({"m": metric.add(metric.create(), batch)})
    return [Span(i, i + 1, 200, kinds[i % 16]) for i in range(count)]


def main() -> None:
    metric = make("moments")
    assert isinstance(metric, Metric)

    def merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
        return {"m": metric.merge(left["m"], right["m"])}

    table = Table("panes in the window", "us a slide", "us a slide, merging anew", box=None)
    costs = []
    for length in (10, 100, 1000):
        items = panes(metric, length + SLIDES)
        stacks = TwoStacks(merge)
        for item in items[:length]:
            stacks.push(item)
        stacks.total()
        began = time.process_time()
        for item in items[length:]:
            stacks.push(item)
            stacks.pop()
            stacks.total()
        costs.append((time.process_time() - began) / SLIDES * 1e6)
        began = time.process_time()
        anew = max(2, 2000 // length)
        for start in range(anew):
            join_all(items[start : start + length], merge)
        table.add_row(str(length), f"{costs[-1]:.0f}", f"{(time.process_time() - began) / anew * 1e6:.0f}")
    Console().print(table)
    print(f"a slide over 1000 panes costs {costs[-1] / costs[0]:.2f} times one over 10 (goal: the same)")


if __name__ == "__main__":
    main()
