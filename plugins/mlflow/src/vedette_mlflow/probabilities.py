"""Probabilities beside a served model's predictions, which never cost a prediction."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vedette.engine.explain.gateway_local import class_order

TOLD_EVERY = 60.0  # seconds between warnings
log = logging.getLogger("vedette.mlflow")


class Probabilities:
    """Asks a classifier's `predict_proba`; where that fails, the answer stays as it is, and the failure is counted.

    order: columns in the order of the answer; None: as they are.  failed: answers that had to do without.
    """

    def __init__(self, predict_proba: Callable[[Any], Any], order: Sequence[int] | None = None) -> None:
        self.failed = 0
        self._predict_proba = predict_proba
        self._order = order
        self._lock = threading.Lock()
        self._told_at: float | None = None

    @classmethod
    def of(cls, asked: Any, classes: Sequence[str]) -> Probabilities | None:
        """Of a predictor; None where it gives none, or has other classes than `classes` (any where that is empty)."""
        if not hasattr(asked, "predict_proba"):
            return None
        order = class_order(asked.classes_, classes) if classes else None
        if classes and order is None:
            log.warning(
                "the model's classes are %s, schema.classes are %s: no probabilities are answered",
                list(asked.classes_), list(classes),
            )  # fmt: skip
            return None
        return cls(asked.predict_proba, order)

    def beside(self, answer: str, data: Any) -> str:
        """`answer`, MLflow's {"predictions": [...]}, with the probabilities of the rows in `data`. Never raises."""
        try:
            added = json.dumps({"probabilities": self._of(data, len(json.loads(answer)["predictions"]))})
        except Exception as error:  # the estimator's code may raise anything, and the prediction is good
            self._count(error)
            return answer
        return f"{answer[:-1]}, {added[1:]}"

    def _of(self, data: Any, rows: int) -> list[list[float]]:
        """(rows, classes). ValueError for what JSON or a monitor could not take."""
        found = np.asarray(self._predict_proba(data), dtype=np.float64)
        if found.ndim != 2 or len(found) != rows:
            raise ValueError(f"predict_proba gave shape {found.shape}, not ({rows}, classes)")
        if not ((found >= 0) & (found <= 1 + 1e-6)).all():
            raise ValueError("predict_proba gave values that are not in [0, 1]")
        values: list[list[float]] = (found if self._order is None else found[:, self._order]).tolist()
        return values

    def _count(self, error: Exception) -> None:
        """The first failure is told at once, then how many there are, at most every TOLD_EVERY."""
        with self._lock:
            self.failed += 1
            failed, now = self.failed, time.monotonic()
            if self._told_at is not None and now < self._told_at + TOLD_EVERY:
                return
            self._told_at = now
        log.warning(
            "the model gives no probabilities; its predictions are answered and monitored without them "
            "(%d so far, the last: %s: %s)", failed, type(error).__name__, error,
        )  # fmt: skip
