"""The base class of explainers, and how they ask the model through the query broker."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vedette_specs.batch import Batch
from vedette_specs.columns import Floats
from vedette_specs.components import Fittable
from vedette_specs.convert import Tabular, as_tabular
from vedette_specs.results import Explanation


class BudgetExhausted(Exception):
    """Thrown into an explainer's generator at its limit of rows, calls or time: answer with what you have."""


@dataclass(frozen=True)
class Ask:
    """Rows that an explainer wants predicted. target: `model`, or a monitor whose scores are explained."""

    rows: Batch
    target: str = "model"


@dataclass(frozen=True)
class ExplainContext:
    """seed: of the request, model version and configuration: the same request gets the same explanation.
    max_rows: how many rows the explainer may ask for in all, over the explained rows together."""

    seed: int = 0
    max_rows: int = 2000
    target: str = "model"
    outputs: tuple[str, ...] = ()

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


Answer = Floats  # (rows asked, outputs)
Steps = Generator[Ask | list[Ask], Any, list[Explanation]]
Predict = Callable[[Batch], Floats]


class Explainer(Fittable):
    """Explains rows of a black box by asking for predictions; never calls the model itself."""

    @abstractmethod
    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        """Yield an Ask (answered by (n, outputs) float64) or a list of them (answered by a list).

        BudgetExhausted is thrown in at the limit; the generator then returns its best answer with error bars.
        Returns one Explanation per row of `rows`.
        """

    def explain(
        self, data: Batch | Tabular, predict: Callable[[Any], Any], *, max_rows: int = 2000, random_state: int = 0
    ) -> list[Explanation]:
        """Explanations of some rows, for people; `predict` takes many rows, as what `data` is (array, DataFrame...).

        Serving goes through the engine's query broker instead, which shares model calls and keeps to a deadline.
        """
        steps = self.steps(self.rows(data), ExplainContext(seed=random_state, max_rows=max_rows))

        def answer(ask: Ask) -> Floats:
            values = np.asarray(predict(as_tabular(ask.rows, data)), dtype=np.float64)
            return values.reshape(len(ask.rows), -1)

        left = max_rows
        try:
            asked = next(steps)
            while True:
                asks = asked if isinstance(asked, list) else [asked]
                left -= sum(len(ask.rows) for ask in asks)
                if left < 0:
                    asked = steps.throw(BudgetExhausted(f"{max_rows} rows allowed"))
                    continue
                answers = [answer(ask) for ask in asks]
                asked = steps.send(answers if isinstance(asked, list) else answers[0])
        except StopIteration as stop:
            return [replace(e, budget_exhausted=e.budget_exhausted or left < 0) for e in stop.value]
