"""Share of the rows that are not of a class and were not taken for it."""

from __future__ import annotations

from vedette.components.metrics._confusion import Margins
from vedette.components.metrics._rates import Average, RateMetric
from vedette_specs import Floats, Tags


class Specificity(RateMetric):
    """True negatives of a class / all labels of other classes, in [0, 1]: the recall of "not this class".

    average: `binary` (default for two classes), `macro` (default for more), `micro`, `weighted`, `by_class`.
    weight: input column or attribute that weighs the rows.
    Where all labels are of one class, it has none: not 0 but not known.
    Rows whose label or prediction is missing are left out and counted in `details.left_out`; a label or prediction that
    is none of `schema.classes` is wrong, and counted in `details.unknown_class`.
    """

    name = "specificity"
    tags = Tags(needs_labels=True)

    def __init__(self, average: Average | None = None, weight: str | None = None) -> None:
        self.average = average
        self.weight = weight

    def parts(self, counts: Margins) -> tuple[Floats, Floats]:
        others = counts.total - counts.labelled
        return others - (counts.answered - counts.right), others
