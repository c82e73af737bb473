"""harmful_shift and concept_shift: promises about false alarms in simulation, power, and what merging gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.components.metrics._betting import SHARES, upper_bound
from vedette.components.metrics._restarts import SLOTS, log_share, merge_slots, no_slots, slots_of
from vedette.components.metrics.concept_shift import ConceptShift
from vedette.components.metrics.harmful_shift import HarmfulShift
from vedette_specs import Batch, Floats, ResultContext, Schema, category, numeric

SCHEMA = Schema({"x": "numeric"}, "binary", ("no", "yes"), "yes")
ALPHA = 0.05
START = 1.7e9 + 3.0


def rows(p: Floats, truth: Floats, every: float = 10.0) -> Batch:
    """(n,) probabilities of "yes", and whether it was; a row every few seconds."""
    return Batch(
        inputs={"x": numeric(p)},
        times=START + every * np.arange(len(p)),
        schema=SCHEMA,
        prediction=category(np.where(p >= 0.5, "yes", "no").tolist(), SCHEMA.classes),
        probabilities=np.column_stack([1.0 - p, p]),
        labels=category(np.where(truth, "yes", "no").tolist(), SCHEMA.classes),
    )


def traffic(rng: np.random.Generator, n: int, wrong: float) -> Batch:
    """A model that is wrong in this share of rows."""
    p = rng.uniform(0.0, 1.0, n)
    right = rng.random(n) >= wrong
    return rows(p, (p >= 0.5) == right)


def calibrated(rng: np.random.Generator, n: int, low: float = 0.0, high: float = 1.0) -> Batch:
    p = rng.uniform(low, high, n)
    return rows(p, rng.random(n) < p)


def highest(metric: Any, batch: Batch, every: int = 50) -> float:
    """The highest evidence (log_e) in a lifetime window that is looked at every few rows."""
    state, best = metric.create(), -math.inf
    for start in range(0, len(batch), every):
        state = metric.add(state, batch.take(slice(start, start + every)))
        best = max(best, metric.result(state, ResultContext()).values[f"{metric.PREFIX}_log_e"])
    return best


def fitted(seed: int = 0, n: int = 1000, wrong: float = 0.1, **options: Any) -> HarmfulShift:
    return HarmfulShift(**options).bind(SCHEMA).fit(traffic(np.random.default_rng(seed), n, wrong))


def test_the_evidence_is_the_mean_wealth_of_bets_that_began_at_once_and_later() -> None:
    metric = fitted()
    batch = traffic(np.random.default_rng(1), 200, 0.3)
    found = metric.compute(batch)
    losses = np.array([a != b for a, b in zip(batch.prediction.to_list(), batch.labels.to_list(), strict=True)])  # type: ignore[union-attr]
    wealth = []
    for share in SHARES:
        gains = 1 + share / metric.bound_ * (losses - metric.bound_)
        total = np.prod(gains) / 2
        for i, slot in list(enumerate(np.floor(batch.times / 10).astype(int)))[1:]:  # type: ignore[operator]
            zeros = next(v for v in range(64) if slot % 2 ** (v + 1))
            total += np.prod(gains[i:]) / (2 * SLOTS * (zeros + 1) * (zeros + 2))
        wealth.append(total)
    assert found.values["harmful_e_value"] == pytest.approx(np.mean(wealth))
    assert found.values["harmful_log_e"] == pytest.approx(math.log(np.mean(wealth)))
    assert found.values["harmful_mean"] == pytest.approx(losses.mean())
    assert found.values["harmful_alarm"] == float(np.mean(wealth) >= 1 / ALPHA)


@pytest.mark.parametrize("metric", [fitted(), ConceptShift().bind(SCHEMA)], ids=["harmful", "concept"])
def test_parts_merge_to_the_whole(metric: Any) -> None:
    batch = traffic(np.random.default_rng(2), 300, 0.2)
    whole = metric.add(metric.create(), batch)
    parts = [metric.add(metric.create(), batch.take(slice(i, i + 37))) for i in range(0, 300, 37)]
    merged = metric.create()
    for part in reversed(parts):
        merged = metric.merge(merged, part)
    assert merged["n"] == whole["n"] == 300
    np.testing.assert_allclose(merged["logs"], whole["logs"], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), span=st.sampled_from([1e3, 1e5, 1e8]), n=st.sampled_from([3, 600, 2000]))
def test_slots_are_bounded_and_merge_in_any_order(seed: int, span: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    times, logs = rng.uniform(-span, span, n), rng.integers(-4, 5, (n, 2)).astype(float)  # sums of integers are exact
    whole = slots_of(times, logs)
    where, merged = rng.integers(0, 4, n), no_slots(2)
    for part in rng.permutation(4):
        merged = merge_slots(merged, slots_of(times[where == part], logs[where == part]))
    assert merged.level == whole.level
    np.testing.assert_array_equal(merged.numbers, whole.numbers)
    np.testing.assert_array_equal(merged.logs, whole.logs)
    assert len(whole.numbers) <= SLOTS
    assert whole.logs.sum() == logs.sum()


@pytest.mark.parametrize("gap", [1.0, 7.0, 300.0, 5000.0])
def test_bets_that_begin_later_never_have_more_than_half_of_the_wealth(gap: float) -> None:
    """All boundaries that any look at a stream has seen, each with the share that it kept."""
    rng, slots, shares = np.random.default_rng(0), no_slots(1), dict[int, float]()
    times = START + np.cumsum(rng.exponential(gap, 20_000))
    for start in range(0, len(times), 20):
        part = times[start : start + 20]
        slots = merge_slots(slots, slots_of(part, np.zeros((len(part), 1))))
        for number, share in zip(slots.numbers[1:], log_share(slots.numbers[1:], slots.level), strict=True):
            boundary = int(number) << slots.level
            assert shares.setdefault(boundary, share) == pytest.approx(share)
    assert 0.05 < np.exp(list(shares.values())).sum() <= 0.5


def delay(metric: HarmfulShift, rng: np.random.Generator, clean: int, every: float) -> int:
    """Rows with twice the errors until the alarm, in a lifetime window that has seen so many clean ones."""
    state, seen = metric.create(), 0
    while True:
        wrong, n = (0.1, clean) if seen < clean else (0.2, 100)
        batch = traffic(rng, n, wrong)
        state = metric.add(state, batch.replace(times=START + every * (seen + np.arange(n))))
        seen += n
        if metric.result(state, ResultContext()).values["harmful_alarm"]:
            return seen - clean


@pytest.mark.parametrize("every", [1.0, 60.0])
def test_a_long_good_time_does_not_make_blind_to_harm(every: float) -> None:
    """Bets since the first row only took 26 500 rows after 50 000 clean ones, and 114 500 after 200 000."""
    metric = fitted(n=5000)
    at_once = [delay(metric, np.random.default_rng(7000 + s), 100, every) for s in range(5)]
    late = [delay(metric, np.random.default_rng(7000 + s), 200_000, every) for s in range(5)]
    assert np.median(late) < np.median(at_once) + 1000
    assert max(late) < 2500


def test_the_announced_rows_are_from_now_on() -> None:
    metric, rng = fitted(n=5000), np.random.default_rng(8)
    clean = metric.add(metric.create(), traffic(rng, 20_000, 0.1))
    harm = traffic(rng, 200, metric.bound_ + 0.1)
    late = harm.replace(times=START + 10.0 * (20_000 + np.arange(200)))
    states = [metric.create(), clean, metric.add(clean, late)]
    first, before, amid = (metric.result(state, ResultContext()).details["rows_to_detect"]["0.1"] for state in states)
    assert first < before < first + 600
    assert amid < before - 100


def test_rows_that_cannot_be_judged_are_left_out() -> None:
    batch = calibrated(np.random.default_rng(3), 10)
    gone = category([None, *batch.labels.to_list()[1:]], SCHEMA.classes)  # type: ignore[union-attr]
    for metric in (fitted(), ConceptShift().bind(SCHEMA)):
        found = metric.compute(batch.replace(labels=gone))
        assert (found.n, found.details["left_out"]) == (9, 1)
    nothing = ConceptShift().bind(SCHEMA).compute(batch.take(slice(0, 0)))
    assert (nothing.status, nothing.values["concept_alarm"]) == ("insufficient", None)


def test_the_bound_is_beyond_the_reference_by_its_chance_and_the_tolerance() -> None:
    small, large = (fitted(n=n, tolerance=0.02) for n in (200, 20_000))
    for metric in (small, large):
        assert metric.bound_ > metric.reference_loss_ + 0.02
    found = small.compute(traffic(np.random.default_rng(0), 50, 0.1)).details
    assert found["minimum_detectable"] == pytest.approx(small.bound_ - small.reference_loss_)
    assert large.bound_ - large.reference_loss_ < 0.5 * found["minimum_detectable"]
    needed = found["rows_to_detect"]
    assert needed["0.02"] > needed["0.05"] > needed["0.2"]


def test_the_rows_that_are_announced_are_enough_for_most_streams() -> None:
    metric = fitted(n=2000)
    announced = metric.compute(traffic(np.random.default_rng(0), 50, 0.1)).details["rows_to_detect"]["0.1"]
    streams = [traffic(np.random.default_rng(100 + s), 2 * announced, metric.bound_ + 0.1) for s in range(60)]
    assert np.mean([highest(metric, stream) >= -math.log(ALPHA) for stream in streams]) > 0.9


@pytest.mark.parametrize("mean", [0.02, 0.1, 0.5])
def test_the_upper_bound_covers_the_mean(mean: float) -> None:
    rng = np.random.default_rng(4)
    bounds = [upper_bound((rng.random(500) < mean).astype(float), 0.1) for _ in range(200)]
    assert np.mean(np.array(bounds) < mean) <= 0.1 + 0.06
    assert np.median(bounds) < mean + 4 * math.sqrt(mean * (1 - mean) / 500) + 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"tolerance": 1.0}, "tolerance"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, float], message: str) -> None:
    for kind in (HarmfulShift, ConceptShift):
        with pytest.raises(ValueError, match=message):
            kind(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", ["error", "brier"])
def test_a_reference_without_answers_is_refused(loss: Any) -> None:
    batch = traffic(np.random.default_rng(0), 100, 0.1)
    with pytest.raises(ValueError, match=r"0 rows with labels and (predictions|probabilities)"):
        HarmfulShift(loss=loss).bind(SCHEMA).fit(batch.replace(prediction=None, probabilities=None))
    with pytest.raises(ValueError, match=r"schema.task is 'regression'"):
        HarmfulShift(loss=loss).bind(Schema({"x": "numeric"}, "regression"))


# promises, in simulation


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["error", "brier"])
def test_without_harm_a_lifetime_window_alarms_at_most_with_probability_alpha(loss: Any) -> None:
    """300 references and streams of 3000 rows, looked at 60 times, at the reference's own loss."""
    alarms = 0
    for s in range(300):
        rng = np.random.default_rng(1000 + s)
        draw = (lambda n, r=rng: traffic(r, n, 0.1)) if loss == "error" else (lambda n, r=rng: calibrated(r, n))
        metric = HarmfulShift(loss=loss).bind(SCHEMA).fit(draw(500))
        alarms += highest(metric, draw(3000)) >= -math.log(ALPHA)
    assert alarms / 300 <= ALPHA


@pytest.mark.slow
def test_at_the_bound_itself_the_promise_holds_and_is_used() -> None:
    metric = fitted(n=1000)
    rng = np.random.default_rng(5)
    found = [highest(metric, traffic(rng, 3000, metric.bound_)) >= -math.log(ALPHA) for _ in range(400)]
    assert np.mean(found) <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 400)
    assert np.mean(found) > 0.003


@pytest.mark.slow
def test_harm_is_found() -> None:
    """Twice the errors (10 % -> 20 %) within 1500 rows, from a reference of 1000."""
    found = []
    for s in range(200):
        metric = fitted(seed=2000 + s)
        found.append(highest(metric, traffic(np.random.default_rng(3000 + s), 1500, 0.2)) >= -math.log(ALPHA))
    assert np.mean(found) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.4, 0.6), (0.0, 0.1)])
def test_concept_shift_is_silent_under_a_pure_change_of_the_inputs(low: float, high: float) -> None:
    metric = ConceptShift().bind(SCHEMA)
    found = [
        highest(metric, calibrated(np.random.default_rng(4000 + s), 3000, low, high)) >= -math.log(ALPHA)
        for s in range(300)
    ]
    assert np.mean(found) <= ALPHA


@pytest.mark.slow
def test_harmful_shift_hears_the_inputs_that_make_the_model_wrong() -> None:
    """The same change of the inputs: harm is found, and that the concept is as it was."""
    harmful = HarmfulShift().bind(SCHEMA).fit(calibrated(np.random.default_rng(0), 1000))
    concept = ConceptShift().bind(SCHEMA)
    batches = [calibrated(np.random.default_rng(5000 + s), 1000, 0.4, 0.6) for s in range(100)]
    assert np.mean([highest(harmful, b) >= -math.log(ALPHA) for b in batches]) > 0.95
    assert np.mean([highest(concept, b) >= -math.log(ALPHA) for b in batches]) <= ALPHA


@pytest.mark.slow
def test_concept_shift_finds_labels_that_no_longer_follow() -> None:
    """A fifth of the labels is flipped: within 1000 rows."""
    metric, found = ConceptShift().bind(SCHEMA), []
    for s in range(200):
        rng = np.random.default_rng(6000 + s)
        p = rng.uniform(0.0, 1.0, 1000)
        truth = (rng.random(1000) < p) ^ (rng.random(1000) < 0.2)
        found.append(highest(metric, rows(p, truth)) >= -math.log(ALPHA))
    assert np.mean(found) > 0.95
