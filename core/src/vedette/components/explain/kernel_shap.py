"""Shapley values of a black box: how much each feature adds to a prediction."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vedette.components.explain.coalitions import Plan, choose, design
from vedette.components.explain.shapley import combine, game_values
from vedette_specs import (
    Ask,
    Batch,
    BudgetExhausted,
    ExplainContext,
    Explainer,
    Explanation,
    Floats,
    Mask,
    Schema,
    State,
    Steps,
    Tags,
    concat,
)


class KernelShap(Explainer):
    """Interventional Shapley values against background rows of the reference (Lundberg & Lee 2017).

    Features are the batch's columns, of any kind: a feature is taken out by putting a background row's value in its
    place. Values add up exactly: expected_value + sum of shap_values = the prediction. The budget chooses between all
    coalitions (`exact`), paired leverage-score sampling (`leverage`: Musco & Witter 2024) and permutations with their
    reverses (`permutation`); there is no L1 selection. It all goes into one ask, up to `rows_per_ask` rows; larger
    budgets are asked in parts, so that a deadline leaves an answer from the parts before.

    Options:
        background: rows of the reference kept, at most.
        rows_per_ask: most rows in one ask.
        random_state: of the choice of background rows.

    Explanation data: `shap_values` and `standard_error` {output: {feature: number}}, `expected_value` {output: number},
    `instance`, `raw` {raw_prediction: {output: number}}. A standard error says how far the value may be from that of
    all coalitions over the same background: None where one pass of a single game cannot tell.
    """

    tags: ClassVar[Tags] = Tags()

    def __init__(self, *, background: int = 100, rows_per_ask: int = 8192, random_state: int = 0) -> None:
        if background < 1 or rows_per_ask < 1:
            raise ValueError(f"background: {background} and rows_per_ask: {rows_per_ask} are at least 1")
        self.background = background
        self.rows_per_ask = rows_per_ask
        self.random_state = random_state

    def fit_batch(self, reference: Batch) -> None:
        if not reference.inputs:
            raise ValueError("KernelShap.fit: the reference has no inputs")
        order = np.random.default_rng(self.random_state).permutation(len(reference))
        self.background_ = _inputs_only(reference.take(order[: self.background]))

    def to_state(self) -> State:
        rows = np.frombuffer(self.background_.to_bytes(), dtype=np.uint8)
        return {"background": rows, "feature_names_in": list(self.feature_names_in_)}

    def from_state(self, state: Mapping[str, Any]) -> Self:
        self.background_ = Batch.from_bytes(np.asarray(state["background"], dtype=np.uint8).tobytes(), self.schema)
        self.feature_names_in_ = list(state["feature_names_in"])
        return self

    def steps(self, rows: Batch, ctx: ExplainContext) -> Steps:
        self.check_fitted()
        names = list(self.background_.inputs)
        explained = _inputs_only(self.rows(rows).select(names))
        n = len(explained)
        if n == 0:
            return []
        plan = choose(len(names), n, len(self.background_), ctx.max_rows)
        games, masks = design(plan, len(names), ctx.rng)
        both = concat([explained, self.background_.take(slice(plan.background)).replace(schema=rows.schema)])
        answers: list[Floats] = []
        with contextlib.suppress(BudgetExhausted):  # what has been answered is the answer; the broker marks it
            for start, stop in self._parts(plan, n):
                asked = _mixtures(both, n, games[start:stop], masks[start:stop])
                answers.append((yield Ask(asked if start else concat([both, asked]), ctx.target)))
        records = explained.to_records()
        if not answers:
            unknown = (np.empty((len(names), 0)), np.empty((len(names), 0)), np.empty(0), np.empty(0))
            return [_explanation(record, [], unknown, {"method": plan.method, "rows": 0}) for record in records]
        every = np.concatenate(answers)
        done, estimates = _estimates(every, n, plan, games, masks, _numbers(both.take(slice(n, None))))
        outputs = _output_names(ctx.outputs, rows.schema, every.shape[1])
        params = {
            "method": plan.method,
            "background": plan.background,
            "games": done,
            "coalitions": done * plan.coalitions,
            "rows": len(every),
            "seed": ctx.seed,
        }
        base = every[n : n + plan.background].mean(axis=0)
        return [
            _explanation(record, outputs, (*estimates[i], base, every[i]), params) for i, record in enumerate(records)
        ]

    def _parts(self, plan: Plan, n: int) -> list[tuple[int, int]]:
        """Runs of games that fit into one ask; the first also has the explained and the background rows."""
        cost = max(1, n * plan.coalitions)
        first = max(1, (self.rows_per_ask - n - plan.background) // cost)
        stops = [*range(first, plan.games, max(1, self.rows_per_ask // cost)), plan.games]
        return list(zip([0, *stops[:-1]], stops, strict=True))


def _inputs_only(rows: Batch) -> Batch:
    return Batch(inputs=rows.inputs, schema=rows.schema)


def _mixtures(both: Batch, n: int, games: NDArray[np.intp], masks: Mask) -> Batch:
    """Rows (game, explained row, coalition): the explained row's values where the mask is True, else the game's.

    `both` has the n explained rows, then the background."""
    g, m, _ = masks.shape
    own = np.broadcast_to(np.arange(n)[None, :, None], (g, n, m)).ravel()
    other = np.broadcast_to(n + games[:, None, None], (g, n, m)).ravel()
    inputs = {}
    for feature, (name, column) in enumerate(both.inputs.items()):
        taken = np.broadcast_to(masks[:, None, :, feature], (g, n, m)).ravel()
        inputs[name] = column.take(np.where(taken, own, other))
    return Batch(inputs=inputs, schema=both.schema)


def _numbers(rows: Batch) -> Floats:
    """(n, features) numeric inputs; 0 for other kinds, where missing, and where squares would overflow."""
    columns = [c.values if c.kind == "numeric" else np.zeros(len(rows)) for c in rows.inputs.values()]
    table = np.column_stack(columns)
    return np.where(np.abs(table) < 1e100, table, 0.0)


@np.errstate(invalid="ignore", over="ignore")  # where the model answers infinity, a contribution is not known: NaN
def _estimates(
    answers: Floats, n: int, plan: Plan, games: NDArray[np.intp], masks: Mask, background: Floats
) -> tuple[int, list[tuple[Floats, Floats]]]:
    """Games answered, and for each explained row (features, outputs) Shapley values and their standard errors."""
    m = masks.shape[1]
    full, empty, rest = answers[:n], answers[n : n + plan.background], answers[n + plan.background :]
    done = len(rest) // (n * m) if m else plan.games
    values = rest[: done * n * m].reshape(done, n, m, answers.shape[1])
    found = []
    for i in range(n):
        solved = [game_values(plan.method, masks[g], values[g, i], empty[games[g]], full[i]) for g in range(done)]
        phi, variance = (np.stack(part) for part in zip(*solved, strict=True))
        found.append(combine(phi, variance, games[:done], background, full[i] - empty.mean(axis=0)))
    return done, found


def _explanation(
    instance: Mapping[str, Any], outputs: list[str], numbers: tuple[Floats, Floats, Floats, Floats], params: State
) -> Explanation:
    """numbers: (d, k) values and errors, (k,) base value and prediction."""
    phi, error, base, prediction = numbers

    def table(values: Floats) -> dict[str, dict[str, float | None]]:
        rows = values.T.tolist()
        return {output: _finite(instance, row) for output, row in zip(outputs, rows, strict=True)}

    data = {
        "shap_values": table(phi),
        "standard_error": table(error),
        "expected_value": _finite(outputs, base.tolist()),
        "instance": dict(instance),
        "raw": {"raw_prediction": _finite(outputs, prediction.tolist())},
    }
    return Explanation("KernelShap", data, params, kind=("blackbox",), scope=("local",))


def _finite(names: Iterable[str], values: list[float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in zip(names, values, strict=True)}


def _output_names(given: tuple[str, ...], schema: Schema, k: int) -> list[str]:
    if len(given) == k:
        return list(given)
    if len(schema.classes) == k:
        return list(schema.classes)
    if k == 1 and schema.classes:
        return [schema.classes[schema.positive_index]]
    return ["output"] if k == 1 else [str(i) for i in range(k)]
