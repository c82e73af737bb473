"""One explainer's generator, driven within its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vedette.engine.explain.calls import Caller, Ticket
from vedette_specs import Ask, Batch, BudgetExhausted, ExplainContext, Explainer, Explanation, Steps


@dataclass(frozen=True)
class ExplainRequest:
    """What to explain and how much it may cost.

    max_calls, max_rows: counted as asked, before duplicates and the cache, so that the same request gets the same
    answer whatever else was asked.  deadline: seconds.  target: `model`, or a monitor whose scores are explained.
    outputs: names of the columns of an answer.
    """

    explainer: Explainer
    rows: Batch
    max_calls: int = 100
    max_rows: int = 2000
    deadline: float = 10.0
    seed: int = 0
    target: str = "model"
    outputs: tuple[str, ...] = ()


class Session:
    """Runs a request: `begin`, then `proceed` until `finished`; `outcome` is then its explanations or its error."""

    def __init__(self, request: ExplainRequest, caller: Caller, owner: int) -> None:
        self.outcome: list[Explanation] | Exception | None = None
        self._request = request
        self._caller = caller
        self._owner = owner
        self._end = time.monotonic() + request.deadline
        self._calls = 0
        self._rows = 0
        self._tickets: list[Ticket] = []
        self._several = False
        self._steps: Steps | None = None
        caller.enter()

    @property
    def finished(self) -> bool:
        return self.outcome is not None

    def begin(self) -> None:
        request = self._request
        ctx = ExplainContext(request.seed, request.max_rows, request.target, request.outputs)

        def first() -> Ask | list[Ask]:
            self._steps = request.explainer.steps(request.rows, ctx)
            return next(self._steps)

        self._advance(first)

    def proceed(self) -> None:
        """Wait for the answers and hand them to the generator, or tell it that its time is over."""
        for ticket in self._tickets:
            if not ticket.done.wait(max(0.0, self._end - time.monotonic())):
                self._exhaust(f"{self._request.deadline:g} s are over")
                return
            if ticket.error is not None:
                self._finish(ticket.error)
                return
        answers = [ticket.answer for ticket in self._tickets]
        steps = self._steps
        if steps is not None:
            self._advance(lambda: steps.send(answers if self._several else answers[0]))

    def cancel(self) -> None:
        """Stop without an outcome; does nothing to a finished session."""
        if not self.finished:
            self._finish(RuntimeError("the explanation was cancelled"))

    def _advance(self, step: Callable[[], Ask | list[Ask]]) -> None:
        try:
            asked = step()
        except StopIteration as stop:
            self._finish(list(stop.value))
        except Exception as error:  # an explainer is a stranger's code; its failure is the outcome
            self._finish(error)
        else:
            self._ask(asked)

    def _ask(self, asked: Ask | list[Ask]) -> None:
        self._several = isinstance(asked, list)
        asks = asked if isinstance(asked, list) else [asked]
        self._rows += sum(len(ask.rows) for ask in asks)
        self._calls += len({ask.target for ask in asks})
        if self._rows > self._request.max_rows:
            self._exhaust(f"{self._rows} rows asked for, {self._request.max_rows} allowed")
        elif self._calls > self._request.max_calls:
            self._exhaust(f"{self._calls} calls asked for, {self._request.max_calls} allowed")
        elif time.monotonic() >= self._end:
            self._exhaust(f"{self._request.deadline:g} s are over")
        else:
            self._tickets = [Ticket(self._owner, ask.target, ask.rows) for ask in asks]
            for ticket in self._tickets:
                if len(ticket.rows) == 0:
                    ticket.finish(answer=np.empty((0, 0)))
            self._caller.submit([ticket for ticket in self._tickets if not ticket.done.is_set()])

    def _exhaust(self, reason: str) -> None:
        for ticket in self._tickets:
            ticket.cancelled = True
        if self._steps is None:
            return
        try:
            self._steps.throw(BudgetExhausted(reason))
        except StopIteration as stop:
            self._finish([replace(explanation, budget_exhausted=True) for explanation in stop.value])
        except Exception as error:  # as above; BudgetExhausted itself where the explainer knows nothing yet
            self._finish(error)
        else:
            name = type(self._request.explainer).__name__
            self._finish(RuntimeError(f"{name} asked again after its budget was exhausted: {reason}"))

    def _finish(self, outcome: list[Explanation] | Exception) -> None:
        for ticket in self._tickets:
            ticket.cancelled = True
        self.outcome = outcome
        self._caller.leave()
        if self._steps is not None:
            self._steps.close()
