"""cost and reward: whose numbers they are, what counts, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.components.metrics.cost import Cost
from vedette.components.metrics.reward import Reward
from vedette_specs import Batch, ResultContext, Schema, category, numeric

CTX = ResultContext()
SCHEMA = Schema(task="multiclass", classes=("low", "middle", "high"))
COSTS = {"high": {"low": 50.0, "middle": 10.0}, "low": {"high": 3.0, "low": -1.0}}


def test_costs_by_hand():
    labels = category(["high", "high", "low", "low", "middle", None, "odd"], SCHEMA.classes)
    answers = category(["low", "high", "high", "low", "low", "low", "low"], SCHEMA.classes)
    batch = Batch({"w": numeric([1, 2, 1, 1, 1, 1, 1])}, SCHEMA, prediction=answers, labels=labels)
    result = Cost(COSTS, other=0.5).compute(batch)
    total = 50 + 0.5 + 3 - 1 + 0.5
    assert result.values == {"mean_cost": pytest.approx(total / 5), "total_cost": pytest.approx(total)}
    assert result.n == 5
    assert result.details == {"left_out": 2, "unknown_class": 1}
    weighed = Cost(COSTS, other=0.5, weight="w").compute(batch)
    assert weighed.values == {"mean_cost": pytest.approx((total + 0.5) / 6), "total_cost": pytest.approx(total + 0.5)}


def test_costs_may_cancel_out_and_a_total_of_zero_is_known():
    batch = Batch({}, SCHEMA, prediction=category(["high"], SCHEMA.classes), labels=category(["high"], SCHEMA.classes))
    assert Cost(COSTS).compute(batch).values == {"mean_cost": 0.0, "total_cost": 0.0}
    assert Cost(COSTS).compute(batch.replace(labels=None)).values == {"mean_cost": None, "total_cost": None}


def test_costs_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match="'hihg'; did you mean 'high'"):
        Cost({"hihg": {"low": 1.0}}).bind(SCHEMA)
    with pytest.raises(ValueError, match="'lwo'; did you mean 'low'"):
        Cost({"high": {"lwo": 1.0}}).bind(SCHEMA)
    for empty in ({}, {"high": {}}):
        with pytest.raises(ValueError, match="names no pair"):
            Cost(empty)
    with pytest.raises(ValueError, match="inf; allowed: finite"):
        Cost({"high": {"low": float("inf")}})
    with pytest.raises(ValueError, match="finite"):
        Cost(COSTS, other=float("nan"))
    with pytest.raises(ValueError, match="regression"):
        Cost(COSTS).bind(Schema(task="regression"))


def test_a_reward_of_zero_is_a_reward():
    """Seldon's counter left them out, and the mean of 1, 0, 0, 0 was 1."""
    batch = Batch({}, Schema(task="regression"), labels=numeric([1.0, 0.0, 0.0, 0.0, np.nan, np.inf]))
    result = Reward().compute(batch)
    assert result.values == {"mean_reward": 0.25, "total_reward": 1.0}
    assert result.n == 4
    assert result.details["left_out"] == 2
    nothing_but = Batch({}, labels=numeric([0.0, 0.0]))
    assert Reward().compute(nothing_but).values == {"mean_reward": 0.0, "total_reward": 0.0}
    assert Reward().compute(nothing_but).status == "ok"


def test_rewards_come_as_labels_or_in_a_column(merged):
    rng = np.random.default_rng(0)
    given = rng.integers(-1, 2, 200).astype(float)
    as_label = Batch({"r": numeric(given[::-1])}, labels=category([str(v) for v in given]))
    for part, wanted in ((Reward(), given), (Reward("r"), given[::-1])):
        result = part.result(merged(part, as_label, 3), CTX)
        assert result.values["mean_reward"] == pytest.approx(wanted.mean(), rel=1e-12, abs=1e-15)
        assert result.values["total_reward"] == pytest.approx(wanted.sum(), rel=1e-12, abs=1e-12)
    assert Reward().tags.needs_labels
    assert not Reward("r").tags.needs_labels
    assert not Reward().set_params(column="r").bind(Schema()).tags.needs_labels
    assert Reward("absent").compute(as_label).values["mean_reward"] is None
