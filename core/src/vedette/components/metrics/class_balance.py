"""How often each class is predicted."""

from __future__ import annotations

from collections.abc import Mapping

from vedette.components.metrics._categories import add_counts, count_column, empty_table, merge_tables
from vedette.components.metrics._labels import check_classes, predicted
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags
from vedette_specs.results import Value

_LIMIT = 1000  # classes counted one by one


class ClassBalance(Metric):
    """Share of the predictions that each class has (`class_balance`, by class), and the share of the rarest class of
    the schema (`minority_share`), in [0, 1].

    Classes of the schema that are never predicted have share 0. Where only probabilities are known, the prediction is
    taken from them. Of classes that the schema does not name at most 1000 are counted one by one, the rest as one.
    Rows without a prediction are left out and counted in `details.left_out`.
    """

    tags = Tags(needs_prediction=True)

    def bind(self, schema: Schema) -> ClassBalance:
        check_classes(schema, "class_balance")
        return super().bind(schema)

    def create(self) -> State:
        return {"n": 0, "left_out": 0, "table": empty_table()}

    def add(self, state: State, batch: Batch) -> State:
        column = predicted(batch)
        counts, missing = ({}, len(batch)) if column is None or not len(batch) else count_column(column)
        return {
            "n": state["n"] + len(batch) - missing,
            "left_out": state["left_out"] + missing,
            "table": add_counts(state["table"], counts, _LIMIT),
        }

    def merge(self, left: State, right: State) -> State:
        table = merge_tables(left["table"], right["table"], _LIMIT)
        return {"table": table, **{key: left[key] + right[key] for key in ("n", "left_out")}}

    def shares(self, state: State) -> dict[str, float | Mapping[str, float]]:
        names = {*self.schema.classes, *state["table"]["names"]}
        return {"class_balance": dict.fromkeys(names, state["n"]), "minority_share": state["n"]}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n, table = state["n"], state["table"]
        details = {"left_out": state["left_out"], "other": table["other"]}
        if not n:
            return Result({"class_balance": None, "minority_share": None}, 0, "insufficient", details)
        counts = dict.fromkeys(self.schema.classes, 0) | dict(zip(table["names"], table["counts"], strict=True))
        share: dict[str, float | None] = {name: counts[name] / n for name in sorted(counts)}
        of_schema = [counts[name] / n for name in self.schema.classes]
        values: dict[str, Value] = {"class_balance": share, "minority_share": min(of_schema, default=None)}
        return Result(values, n, "ok", details)
