"""The commonest values, however many there are."""

from __future__ import annotations

from datasketches import frequent_items_error_type, frequent_strings_sketch

from vedette.components.metrics._categories import count_column
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags


class HeavyHitters(Metric):
    """Per column: the commonest values and their shares of the known ones (`heavy_share`, keys ``column=value``).

    lg_size: size of the sketch, at most 0.75 * 2^lg_size values are held at once. As long as a column has no more,
    counts are exact; else a share is off by at most `details.error` of the column (3.5 / 2^lg_size, whatever the
    order), and every value with a larger share is found.  top: how many values of a column are shown.
    columns: category or text columns; all of them when None.
    Values are cut after 200 characters. Missing ones are left out and counted in details.
    Source: Anderson et al., "A high-performance algorithm for identifying frequent items in data streams" (IMC 2017),
    by Apache DataSketches.
    """

    tags = Tags(modalities=("category", "text"), deterministic=False)

    def __init__(self, top: int = 20, lg_size: int = 10, columns: list[str] | None = None) -> None:
        if top < 1:
            raise ValueError(f"heavy_hitters: top is {top}; allowed: 1 or more")
        if not 3 <= lg_size <= 20:
            raise ValueError(f"heavy_hitters: lg_size is {lg_size}; allowed: 3 to 20")
        self.top = top
        self.lg_size = lg_size
        self.columns = columns

    def create(self) -> State:
        return {"rows": 0, "sketches": {}, "missing": {}}

    def add(self, state: State, batch: Batch) -> State:
        sketches, missing = {}, {}
        for name in pick(batch, self.columns, "category", "text", who="heavy_hitters"):
            sketch = frequent_strings_sketch(self.lg_size)
            counts, missing[name] = count_column(batch.inputs[name]) if len(batch) else ({}, 0)
            for value, count in counts.items():
                # The sketch takes valid UTF-8 only, which a lone surrogate is not.
                sketch.update(value[:200].encode("utf-8", "backslashreplace").decode(), count)
            sketches[name] = sketch.serialize()
        return self.merge(state, {"rows": len(batch), "sketches": sketches, "missing": missing})

    def merge(self, left: State, right: State) -> State:
        a, b, gone = left["sketches"], right["sketches"], (left["missing"], right["missing"])
        sketches = {name: _joined(a[name], b[name]) if name in a and name in b else (a | b)[name] for name in a | b}
        missing = {name: gone[0].get(name, 0) + gone[1].get(name, 0) for name in sketches}
        return {"rows": left["rows"] + right["rows"], "sketches": sketches, "missing": missing}

    def result(self, state: State, ctx: ResultContext) -> Result:
        share: dict[str, float | None] = {}
        error: dict[str, float] = {}
        for name in sorted(state["sketches"]):
            sketch = frequent_strings_sketch.deserialize(state["sketches"][name])
            total = sketch.total_weight
            if not total:
                continue
            items = sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
            shown = sorted(((value, estimate) for value, estimate, *_ in items), key=lambda i: (-i[1], i[0]))
            share |= {f"{name}={value}": estimate / total for value, estimate in shown[: self.top]}
            error[name] = max((high - low for _, _, low, high in items), default=0) / total
        if not share:
            return Result({"heavy_share": None}, state["rows"], "insufficient")
        missing = {name: state["missing"][name] for name in sorted(state["missing"])}
        return Result({"heavy_share": share}, state["rows"], "ok", {"error": error, "missing": missing})


def _joined(a: bytes, b: bytes) -> bytes:
    sketch = frequent_strings_sketch.deserialize(a)
    sketch.merge(frequent_strings_sketch.deserialize(b))
    return bytes(sketch.serialize())
