"""What wrong (and right) predictions cost."""

from __future__ import annotations

import math

import numpy as np

from vedette.components.metrics._labels import check_classes, class_codes, predicted
from vedette.components.metrics._means import Counted, MeanMetric, known_number
from vedette.plugins.errors import did_you_mean
from vedette_specs import Batch, Floats, Schema, State, Tags
from vedette_specs.results import Value


class Cost(MeanMetric):
    """Mean and total cost of predictions, in the unit of the costs: `mean_cost` per labelled row, and `total_cost`.

    costs: label -> prediction -> cost: ``{fraud: {legit: 100}, legit: {fraud: 5}}``; below 0 is a gain.
    other: cost of the pairs that are not named, right predictions among them.
    weight: input column or attribute that weighs the rows, such as an amount that the costs are per unit of.
    Rows whose label or prediction is missing are left out and counted in `details.left_out`, those with one that is
    none of `schema.classes` in `details.unknown_class` too.
    Source: Elkan, "The foundations of cost-sensitive learning" (IJCAI 2001).
    """

    name = "mean_cost"
    counters = ("unknown_class",)
    tags = Tags(needs_labels=True)

    def __init__(self, costs: dict[str, dict[str, float]], other: float = 0.0, weight: str | None = None) -> None:
        if not costs or not all(costs.values()):
            raise ValueError("cost: costs names no pair of classes; write costs: {label: {prediction: cost}}")
        found = [*(cost for row in costs.values() for cost in row.values()), other]
        if strange := [cost for cost in found if not math.isfinite(cost)]:
            raise ValueError(f"cost: costs or other has {strange[0]}; allowed: finite numbers")
        self.costs = costs
        self.other = other
        self.weight = weight

    def bind(self, schema: Schema) -> Cost:
        check_classes(schema, "cost")
        known = schema.classes
        for name in (*self.costs, *(answer for row in self.costs.values() for answer in row)):
            if known and name not in known:
                hint = did_you_mean(name, known)
                raise ValueError(f"cost: costs names {name!r}{hint or ''}; the classes are {', '.join(known)}")
        super().bind(schema)
        return self

    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        classes, n = batch.schema.classes, len(batch)
        if not classes:
            raise ValueError("cost: schema.classes is empty; name the classes that labels and predictions have")
        k = len(classes)
        truth, answer = class_codes(batch.labels, classes, n), class_codes(predicted(batch), classes, n)
        known = (truth >= 0) & (answer >= 0)
        unknown = known & ((truth == k) | (answer == k))
        table = np.array([[self.costs.get(t, {}).get(a, self.other) for a in classes] for t in classes])
        costs = np.full(n, np.nan)
        fits = known & ~unknown
        costs[fits] = table[truth[fits], answer[fits]]
        return costs, {"unknown_class": int(np.count_nonzero(unknown))}

    def values(self, mean: float | None, state: State) -> dict[str, Value]:
        return {self.name: mean, "total_cost": known_number(state["total"]) if state["n"] else None}
