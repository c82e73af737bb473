"""Errors of a regression expected from those of rows like them in the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from vedette.components.metrics._features import encode_rows, fit_encoding
from vedette.components.metrics._regression import check_numbers, truth_and_answer
from vedette.components.metrics._threads import one_thread
from vedette.components.metrics._weights import as_numbers
from vedette_specs import Batch, Fittable, Floats, Metric, Result, ResultContext, Schema, State, Tags
from vedette_specs.results import Value

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

Loss = Literal["mae", "rmse"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
_FOLDS = 3


class Dle(Metric, Fittable):
    """Direct loss estimation: mean absolute error (`mae`) or root mean squared error (`rmse`) on rows without labels,
    in the label's unit, by a second model that has learnt the errors of the first.

    It is gradient boosting (scikit-learn's, Poisson deviance) of the absolute or squared error on the inputs and the
    prediction, fitted on the reference. Categories are numbers from frequent to rare.

    estimate: `mae`, `rmse` or a list of both; `mae` when None.
    columns: numeric and category inputs that the second model sees; all of them when None.
    trees: of the second model.

    It holds while rows with equal inputs have errors of equal size (covariate shift), and only where the reference
    has such rows: trees do not extrapolate. It does not see concept drift.
    details: `standard_error` (of the realised value around the estimate, from how far single errors of the reference
    are from what is expected of them), `reference` (`estimated` by models fitted on other rows, and `realised`),
    `left_out` rows without a prediction.
    Raises ValueError where the reference has no labels or no predictions.
    Source: NannyML, direct loss estimation.
    """

    tags = Tags(needs_prediction=True, needs_inputs=True, learns=("labels", "prediction"))

    encoding_: dict[str, Any]
    models_: dict[str, HistGradientBoostingRegressor]
    units_: dict[str, float]
    spread_: dict[str, float]
    reference_: dict[str, Any]

    def __init__(
        self, estimate: Loss | list[Loss] | None = None, columns: list[str] | None = None, trees: int = 100
    ) -> None:
        given = [estimate] if isinstance(estimate, str) else estimate
        if given is not None and (not given or any(name not in LOSSES for name in given)):
            raise ValueError(f"dle: estimate is {estimate!r}; allowed: {', '.join(LOSSES)}, or a list")
        if trees < 1:
            raise ValueError(f"dle: trees is {trees}; allowed: 1 or more")
        self.estimate = estimate
        self.columns = columns
        self.trees = trees

    def bind(self, schema: Schema) -> Dle:
        check_numbers(schema, "dle")
        super().bind(schema)
        return self

    @property
    def wanted(self) -> tuple[Loss, ...]:
        if self.estimate is None:
            return ("mae",)
        return (self.estimate,) if isinstance(self.estimate, str) else tuple(dict.fromkeys(self.estimate))

    def fit_batch(self, reference: Batch) -> None:
        for part in ("labels", "prediction"):
            if getattr(reference, part) is None:
                raise ValueError(f"dle: the reference has no {part}; it learns from labels and predictions")
        truth, answer = truth_and_answer(reference)
        with np.errstate(over="ignore"):
            squares = (truth - answer) ** 2
        known = np.isfinite(squares)
        if np.count_nonzero(known) < 2 * _FOLDS:
            raise ValueError(
                f"dle: {np.count_nonzero(known)} of the reference's {len(reference)} rows have a label and a "
                f"prediction; allowed: {2 * _FOLDS} or more"
            )
        self.encoding_ = fit_encoding(reference, self.columns, "dle")
        x = self._features(reference, answer)[known]
        self.models_, self.units_, self.spread_ = {}, {}, {}
        pairs = {name: self._fit_loss(name, x, squares[known]) for name in self.wanted}
        self.reference_ = {
            "rows": len(x),
            "estimated": {name: pair[0] for name, pair in pairs.items()},
            "realised": {name: pair[1] for name, pair in pairs.items()},
        }

    def _fit_loss(self, name: Loss, x: Floats, squares: Floats) -> tuple[float, float]:
        """What is estimated, and what is realised, on the reference."""
        loss = np.sqrt(squares) if name == "mae" else squares
        self.units_[name] = float(loss.mean()) or 1.0  # losses of about 1, whatever the label's unit
        parts = loss / self.units_[name]
        self.models_[name] = self._boosted(x, parts)
        crossed = np.empty(len(x))
        fold = np.random.default_rng(0).permutation(len(x)) % _FOLDS
        for i in range(_FOLDS):
            crossed[fold == i] = _predicted(self._boosted(x[fold != i], parts[fold != i]), x[fold == i])
        self.spread_[name] = float(((parts - crossed) ** 2).sum() / (crossed**2).sum())
        return _shown(name, float(crossed.mean()) * self.units_[name]), _shown(name, float(loss.mean()))

    def _boosted(self, x: Floats, loss: Floats) -> HistGradientBoostingRegressor:
        from sklearn.ensemble import HistGradientBoostingRegressor

        model = HistGradientBoostingRegressor(
            loss="poisson",
            max_iter=self.trees,
            learning_rate=0.05,
            max_leaf_nodes=15,
            early_stopping=False,
            random_state=0,
        )
        with one_thread():
            return model.fit(x, loss if loss.any() else loss + 1e-12)  # its deviance needs a loss above 0 somewhere

    def _features(self, batch: Batch, answer: Floats) -> Floats:
        return np.column_stack([encode_rows(batch, self.encoding_), answer])

    def create(self) -> State:
        return {"n": 0, "left_out": 0, "sums": np.zeros((len(self.wanted), 2))}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        answer = as_numbers(batch.prediction, len(batch))
        known = np.flatnonzero(np.isfinite(answer))
        sums = np.zeros((len(self.wanted), 2))
        if len(known):
            x = self._features(batch.take(known), answer[known])
            losses = [_predicted(self.models_[name], x) for name in self.wanted]
            sums = np.array([[loss.sum(), (loss**2).sum()] for loss in losses])
        return self.merge(state, {"n": len(known), "left_out": len(batch) - len(known), "sums": sums})

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def result(self, state: State, ctx: ResultContext) -> Result:
        n = state["n"]
        pairs = zip(self.wanted, state["sums"].tolist(), strict=True)
        values: dict[str, Value] = dict.fromkeys(self.wanted)
        errors = dict.fromkeys(self.wanted, None)
        for name, (total, squares) in pairs if n else ():
            mean, error = total / n * self.units_[name], math.sqrt(self.spread_[name] * squares) / n * self.units_[name]
            values[name] = _shown(name, mean)
            errors[name] = error if name == "mae" else error / (2.0 * math.sqrt(mean)) if mean > 0.0 else None
        details = {"standard_error": errors, "left_out": state["left_out"], "reference": self.reference_ if n else {}}
        return Result(values, n, "ok" if n else "insufficient", details)


def _shown(name: Loss, mean: float) -> float:
    return mean if name == "mae" else math.sqrt(mean)


def _predicted(model: HistGradientBoostingRegressor, x: Floats) -> Floats:
    with one_thread():
        return np.asarray(model.predict(x))
