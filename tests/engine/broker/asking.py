"""A model and an explainer that do as they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import numpy as np

from vedette_specs import Ask, Batch, BudgetExhausted, ExplainContext, Explainer, Explanation, Steps, category, numeric


def batch(values: Iterable[float], colour: str = "red") -> Batch:
    values = list(values)
    return Batch({"x": numeric(values), "c": category([colour] * len(values))})


class Model:
    """Twice x; remembers the rows of every call."""

    def __init__(self, wait: float = 0.0, fails_at: float | None = None) -> None:
        self.calls: list[list[float]] = []
        self.wait = wait
        self.fails_at = fails_at

    def __call__(self, rows: Batch) -> np.ndarray:
        x = rows.inputs["x"].values
        self.calls.append(x.tolist())
        time.sleep(self.wait)
        if self.fails_at in x:
            raise ArithmeticError("no such x")
        return 2 * x


class Asking(Explainer):
    """Asks what it is told to; answers with all the predictions it got."""

    def __init__(self, *, rounds: tuple = (), again: bool = False, nothing: bool = False) -> None:
        self.rounds = rounds
        self.again = again
        self.nothing = nothing

    def fit_batch(self, reference: Batch) -> None:
        self.fitted_ = True

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        got: list = []
        try:
            for asked in self.rounds:
                answer = yield asked
                got.append([a.tolist() for a in answer] if isinstance(asked, list) else answer.tolist())
        except BudgetExhausted as limit:
            if self.nothing:
                raise
            if self.again:
                yield Ask(batch([0.0]))
            return [Explanation("Asking", {"got": got}, {"limit": str(limit)}) for _ in range(len(rows))]
        return [Explanation("Asking", {"got": got}) for _ in range(len(rows))]


ROW = batch([0.0])


def asking(*rounds, **options) -> Asking:
    return Asking(rounds=rounds, **options).fit(ROW)


def one(values: Iterable[float], **kwargs) -> Ask:
    return Ask(batch(values), **kwargs)


def in_threads(jobs: list[Callable[[], object]]) -> list[object]:
    found: list[object] = [None] * len(jobs)

    def run(i: int) -> None:
        try:
            found[i] = jobs[i]()
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "an explanation hangs"
    return found
