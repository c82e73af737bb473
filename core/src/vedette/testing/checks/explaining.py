"""What explainers keep: an answer per row, the same for the same request, within its budget, and additive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vedette.testing.checks._table import check
from vedette.testing.lab import CheckFailed, Lab, json_text, require, same
from vedette_specs import Ask, Batch, BudgetExhausted, ExplainContext, Explainer, Explanation, Steps

ADDITIVITY = 1e-6


@check(Explainer)
def one_explanation_a_row(lab: Lab) -> None:
    """As many explanations as rows, each JSON."""
    rows = lab.traffic(3)
    explanations = lab.explain(lab.ready(), rows)
    _complete(explanations, rows)


@check(Explainer)
def the_same_request_has_the_same_answer(lab: Lab) -> None:
    """The context's seed decides: on any replica, after any other request."""
    rows = lab.traffic(2)
    explainer = lab.ready()
    first = [e.to_json() for e in lab.explain(explainer, rows)]
    lab.explain(explainer, lab.traffic(2, seed=8))
    same([e.to_json() for e in lab.explain(explainer, rows)], first, 0.0, "the same request has another answer")
    same([e.to_json() for e in lab.explain(lab.ready(), rows)], first, 0.0, "another replica has another answer")


@check(Explainer)
def rows_asked_stay_within_the_budget(lab: Lab) -> None:
    """No more than `max_rows` rows are asked for, over all explained rows together."""
    for limit in (200, 2000):
        asked: list[int] = []
        rows = lab.traffic(2)
        context = ExplainContext(seed=1, max_rows=limit, outputs=lab.outputs)
        explanations = _drive(lab, lab.ready().steps(rows, context), asked)
        _complete(explanations, rows)
        require(sum(asked) <= limit, f"{sum(asked)} rows are asked for; max_rows is {limit}")


@check(Explainer)
def asks_for_rows_of_the_model(lab: Lab) -> None:
    """What is asked has the model's columns, in their kinds."""
    rows = lab.traffic(2)
    steps = lab.ready().steps(rows, ExplainContext(seed=1, outputs=lab.outputs))
    kinds = {name: column.kind for name, column in rows.inputs.items()}
    try:
        first = next(steps)
    except StopIteration:
        return
    for ask in _asks(first):
        found = {name: column.kind for name, column in ask.rows.inputs.items()}
        require(found == kinds, f"asked rows have columns {found}; the model takes {kinds}")
    steps.close()


@check(Explainer)
def a_spent_budget_still_answers(lab: Lab) -> None:
    """BudgetExhausted at the first ask, and after one answer: an explanation of each row (the broker marks it)."""
    rows = lab.traffic(2)
    for answers in (0, 1):
        explanations = _interrupted(lab, rows, answers)
        if explanations is not None:
            _complete(explanations, rows)


@check(Explainer)
def attributions_add_up(lab: Lab) -> None:
    """Where data has `shap_values` {output: {feature: number}} and `expected_value` {output: number}, their sum is
    the model's output."""
    rows = lab.traffic(3)
    outputs = lab.answer(rows)
    for i, explanation in enumerate(lab.explain(lab.ready(), rows)):
        if "shap_values" not in explanation.data:
            continue
        for output, attributions in explanation.data["shap_values"].items():
            require(output in lab.outputs, f"output {output!r} is none of {list(lab.outputs)}")
            truth = float(outputs[i, lab.outputs.index(output)])
            total = explanation.data["expected_value"][output] + math.fsum(attributions.values())
            limit = ADDITIVITY * max(1.0, abs(truth))
            require(
                abs(total - truth) <= limit, f"row {i}, {output!r}: {total:.6g} is explained, the output is {truth:.6g}"
            )


def _complete(explanations: Sequence[Explanation], rows: Batch) -> None:
    require(len(explanations) == len(rows), f"{len(rows)} rows have {len(explanations)} explanations")
    for explanation in explanations:
        require(isinstance(explanation, Explanation), f"a {type(explanation).__name__} is not an Explanation")
        json_text(explanation.to_json())


def _asks(asked: Ask | list[Ask]) -> list[Ask]:
    return asked if isinstance(asked, list) else [asked]


def _answer(lab: Lab, asked: Ask | list[Ask]) -> Any:
    answers = [lab.answer(ask.rows) for ask in _asks(asked)]
    return answers if isinstance(asked, list) else answers[0]


def _drive(lab: Lab, steps: Steps, counts: list[int]) -> list[Explanation]:
    try:
        asked = next(steps)
        while True:
            counts.append(sum(len(ask.rows) for ask in _asks(asked)))
            asked = steps.send(_answer(lab, asked))
    except StopIteration as stop:
        return list(stop.value)


def _interrupted(lab: Lab, rows: Batch, answers: int) -> list[Explanation] | None:
    """The answer after BudgetExhausted; None where the explainer was done before."""
    steps = lab.ready().steps(rows, ExplainContext(seed=1, outputs=lab.outputs))
    try:
        asked = next(steps)
        for _ in range(answers):
            asked = steps.send(_answer(lab, asked))
    except StopIteration:
        return None
    try:
        steps.throw(BudgetExhausted())
    except StopIteration as stop:
        return list(stop.value)
    except BudgetExhausted as error:
        raise CheckFailed("BudgetExhausted is not caught: there is no answer") from error
    raise CheckFailed("rows are asked for after BudgetExhausted")
