"""Rates per class (precision, recall, ...) and their averages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from vedette.components.metrics._confusion import ConfusionMetric, Margins, mean_of_known, ratios, rows_of_mean
from vedette_specs import Floats, Schema, State
from vedette_specs.results import Value

Average = Literal["binary", "micro", "macro", "weighted", "by_class"]


class RateMetric(ConfusionMetric):
    """A quotient of counts per class, averaged.

    average: `binary`, the positive class's (default for two classes); `macro`, the mean over classes (default for
    more); `weighted`, the mean weighted with each class's labels; `micro`, the quotient of the sums over all
    classes; `by_class`, each class's: class -> value.
    Where there is nothing to divide by, a class's rate is not known: it is named in `details.undefined` and left out
    of averages (scikit-learn's ``zero_division=nan``, not its default of 0). `weighted` is not known where no
    class that has a rate has labels (scikit-learn takes the plain mean there).
    """

    average: Average | None = None

    def bind(self, schema: Schema) -> RateMetric:
        super().bind(schema)
        if self.average == "binary" and len(schema.classes) > 2:
            raise ValueError(
                f"{self.name}: average is 'binary', but there are {len(schema.classes)} classes; "
                "allowed: micro, macro, weighted, by_class"
            )
        return self

    @abstractmethod
    def parts(self, counts: Margins) -> tuple[Floats, Floats]:
        """((k,) numerators, (k,) denominators) of the classes' rates."""

    def behind(self, counts: Margins) -> Floats:
        """(k,) rows that the classes' rates are shares of."""
        return self.parts(counts)[1]

    def shares(self, state: State) -> dict[str, float | Mapping[str, float]]:
        counts = self.margins(state)
        rows = self.behind(counts) * self.rows_of_weight(state)
        average = self._average(counts)
        if average == "by_class":
            return {self.name: dict(zip(counts.classes, rows.tolist(), strict=True))}
        if average == "binary":
            return {self.name: float(rows[counts.positive]) if counts.classes else 0.0}
        weights = {"micro": rows, "weighted": counts.labelled, "macro": None}[average]
        return {self.name: min(rows_of_mean(rows, weights), float(state["n"]))}  # an error can count in two classes

    def _average(self, counts: Margins) -> Average:
        return self.average or ("binary" if len(counts.classes) == 2 else "macro")

    def answer(self, state: State) -> tuple[dict[str, Value], dict[str, Any]]:
        counts = self.margins(state)
        top, bottom = self.parts(counts)
        rates = ratios(top, bottom)
        by_class = counts.by_class(rates)
        average = self._average(counts)
        value: Value
        if average == "by_class":
            value = by_class if state["n"] else dict.fromkeys(counts.classes)
        elif average == "binary":
            value = by_class[counts.classes[counts.positive]] if counts.classes else None
        elif average == "micro":
            value = float(top.sum() / bottom.sum()) if bottom.sum() > 0.0 else None
        else:
            value = mean_of_known(rates, counts.labelled if average == "weighted" else None)
        undefined = [name for name, rate in by_class.items() if rate is None]
        return {self.name: value}, {"average": average, "by_class": by_class, "undefined": undefined}
