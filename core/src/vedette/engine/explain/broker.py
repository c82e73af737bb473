"""The query broker: explainers ask, the broker calls the model, within a budget of calls, rows and time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from vedette.engine.explain.calls import Caller, ModelCallError
from vedette.engine.explain.rows import AnswerCache
from vedette.engine.explain.session import ExplainRequest, Session
from vedette_specs import Batch, Explainer, Explanation, Predict

__all__ = ["Broker", "ExplainRequest", "ModelCallError", "explain"]


class Broker:
    """Calls one model on behalf of explainers; safe to use from many threads.

    Rows that explanations ask for at the same time, by whatever explainer, go into one call; equal rows are predicted
    once, and remembered per model version (least recently used out first, at most `cache_rows` and `cache_bytes`).
    A model call that raises fails only the explanations whose rows it cannot take, with ModelCallError.

    predict: rows -> (n, outputs) or (n,); or a mapping of targets to such functions.
    version: of the model; a function where it changes.  max_call_rows: most rows in a call.
    linger: seconds to wait for other explanations that are about to ask.
    """

    def __init__(
        self,
        predict: Predict | Mapping[str, Predict],
        version: str | Callable[[], str] = "",
        *,
        max_call_rows: int = 8192,
        cache_rows: int = 50_000,
        cache_bytes: int = 64 << 20,
        linger: float = 0.002,
    ) -> None:
        targets = predict if isinstance(predict, Mapping) else {"model": predict}
        current: Callable[[], str] = version if callable(version) else lambda: str(version)
        self._caller = Caller(targets, current, AnswerCache(cache_rows, cache_bytes), max_call_rows, linger)
        self._owners = itertools.count()

    def explain(
        self,
        explainer: Explainer,
        rows: Batch,
        *,
        max_calls: int = 100,
        max_rows: int = 2000,
        deadline: float = 10.0,
        seed: int = 0,
        target: str = "model",
        outputs: tuple[str, ...] = (),
    ) -> list[Explanation]:
        """One explanation a row of `rows`. At a limit the best answer so far, marked `budget_exhausted`.

        Raises ModelCallError where the model failed, BudgetExhausted where the explainer had nothing to say yet.
        """
        request = ExplainRequest(explainer, rows, max_calls, max_rows, deadline, seed, target, outputs)
        (outcome,) = self.explain_many([request])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def explain_many(self, requests: Sequence[ExplainRequest]) -> list[list[Explanation] | Exception]:
        """Several requests side by side, whose questions share model calls; each has its answer or its error."""
        sessions = [Session(request, self._caller, next(self._owners)) for request in requests]
        try:
            for session in sessions:
                session.begin()
            while live := [session for session in sessions if not session.finished]:
                for session in live:
                    session.proceed()
        finally:
            for session in sessions:
                session.cancel()
        return [session.outcome for session in sessions if session.outcome is not None]

    def counters(self) -> dict[str, int]:
        """Cumulative: asked_rows, model_calls, model_rows, cached_rows, failed_calls."""
        return dict(self._caller.counters)


def explain(
    explainer: Explainer,
    rows: Batch,
    predict: Predict,
    *,
    max_calls: int = 100,
    max_rows: int = 2000,
    deadline: float = 10.0,
    seed: int = 0,
    target: str = "model",
    outputs: tuple[str, ...] = (),
) -> list[Explanation]:
    """Explain rows of a function once: a broker for a single request. Raises as `Broker.explain` does."""
    broker = Broker({target: predict}, cache_rows=0, linger=0.0)
    return broker.explain(
        explainer,
        rows,
        max_calls=max_calls,
        max_rows=max_rows,
        deadline=deadline,
        seed=seed,
        target=target,
        outputs=outputs,
    )
