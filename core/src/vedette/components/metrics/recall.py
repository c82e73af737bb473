"""Share of a class's labels that were found."""

from __future__ import annotations

from vedette.components.metrics._confusion import Margins
from vedette.components.metrics._rates import Average, RateMetric
from vedette_specs import Floats, Tags


class Recall(RateMetric):
    """Right predictions of a class / all labels of it, in [0, 1]; of the positive class: sensitivity.

    average: `binary` (default for two classes), `macro` (default for more), `micro`, `weighted`, `by_class`.
    weight: input column or attribute that weighs the rows.
    A class without labels has none: not 0 but not known.
    Rows whose label or prediction is missing are left out and counted in `details.left_out`; a label or prediction that
    is none of `schema.classes` is wrong, and counted in `details.unknown_class`.
    """

    name = "recall"
    tags = Tags(needs_labels=True)

    def __init__(self, average: Average | None = None, weight: str | None = None) -> None:
        self.average = average
        self.weight = weight

    def parts(self, counts: Margins) -> tuple[Floats, Floats]:
        return counts.right, counts.labelled
