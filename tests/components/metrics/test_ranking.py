"""ndcg against scikit-learn request by request; median_error against numpy within its bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from vedette.components.metrics.median_error import MedianError
from vedette.components.metrics.ndcg import Ndcg
from vedette_specs import Batch, ResultContext, Schema, category, concat, numeric
from vedette_specs.codec import encode

CTX = ResultContext()
NUMBERS = Schema(task="regression")
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def texts(items) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def rankings(sizes, seed=0, ties=False, missing=0.0) -> Batch:
    """Requests of `sizes` rows, shuffled together."""
    rng = np.random.default_rng(seed)
    ids = np.repeat([f"q{i}" for i in range(len(sizes))], sizes)
    n = len(ids)
    score = rng.integers(0, 4, n).astype(float) if ties else rng.normal(size=n)
    relevance = rng.integers(0, 4, n).astype(float)
    relevance[rng.random(n) < missing] = np.nan
    order = rng.permutation(n)
    return Batch({}, NUMBERS, ids=texts(ids[order].tolist()), prediction=numeric(score[order]),
                 labels=numeric(relevance[order]))  # fmt: skip


def by_request(batch: Batch, k: int | None, gain: str = "linear") -> tuple[list[float], dict[str, int]]:
    found, counts = [], {"single": 0, "without_relevance": 0}
    known = ~np.isnan(batch.labels.values)
    for request in sorted(set(batch.ids[known])):
        here = known & (batch.ids == request)
        y, score = batch.labels.values[here], batch.prediction.values[here]
        y = y if gain == "linear" else 2.0**y - 1.0
        if len(y) < 2:
            counts["single"] += 1
        elif not y.any():
            counts["without_relevance"] += 1
        else:
            found.append(float(ndcg_score([y], [score], k=k)))
    return found, counts


@FEW
@given(
    sizes=st.lists(st.integers(1, 9), max_size=30), seed=st.integers(0, 999), ties=st.booleans(),
    missing=st.sampled_from([0.0, 0.4]), k=st.sampled_from([None, 1, 3, 50]),
    gain=st.sampled_from(["linear", "exponential"]),
)  # fmt: skip
def test_each_request_is_judged_as_by_scikit_learn(sizes, seed, ties, missing, k, gain):
    batch = rankings(sizes, seed, ties, missing)
    wanted, counts = by_request(batch, k, gain)
    part = Ndcg(k, gain).bind(NUMBERS)
    # whole requests on several replicas, in any order
    owner = np.array([hash((seed, item)) % 4 for item in batch.ids.tolist()], dtype=int)
    split = part.create()
    for i in range(4):
        split = part.merge(part.add(part.create(), batch.take(np.flatnonzero(owner == i))), split)
    for state in (part.add(part.create(), batch), split):
        result = part.result(state, CTX)
        assert result.values["ndcg"] == (pytest.approx(np.mean(wanted), rel=1e-12) if wanted else None)
        assert result.details["requests"] == len(wanted)
        assert result.details["left_out"] == int(np.isnan(batch.labels.values).sum())
        assert {key: result.details[key] for key in counts} == counts
        assert (result.status == "ok") == bool(wanted)


def test_two_classes_are_ranked_by_the_positive_ones_probability():
    schema = Schema(task="binary", classes=("no", "yes"), positive="yes")
    p = np.array([0.9, 0.8, 0.1, 0.3, 0.2])
    batch = Batch({}, schema, ids=texts(["a", "a", "a", "b", "b"]), probabilities=np.column_stack([1 - p, p]),
                  labels=category(["no", "yes", "yes", "yes", "odd"], schema.classes))  # fmt: skip
    result = Ndcg().compute(batch)
    assert result.values["ndcg"] == pytest.approx(ndcg_score([[0, 1, 1]], [p[:3]]), rel=1e-12)
    assert result.details == {"requests": 1, "left_out": 1, "single": 1, "without_relevance": 0}
    assert result.n == 3


def test_what_is_no_ranking_is_counted_not_judged():
    batch = rankings([3, 3])
    assert Ndcg().compute(batch.replace(ids=None)).details["left_out"] == 6
    negative = batch.replace(labels=numeric([-1.0, *([2.0] * 5)]))
    assert Ndcg().compute(negative).details["left_out"] == 1
    huge = Ndcg(gain="exponential").compute(batch.replace(labels=numeric([5000.0, *([2.0] * 5)])))
    assert huge.details["left_out"] == 1
    with pytest.raises(ValueError, match="k is 0; allowed: 1 or more"):
        Ndcg(k=0)
    with pytest.raises(ValueError, match="multiclass"):
        Ndcg().bind(Schema(task="multiclass", classes=("a", "b", "c")))


def test_a_request_in_two_batches_is_two_rankings():
    """Said in its docs: rows that come apart cannot be ranked without keeping every row."""
    batch = rankings([4])
    part = Ndcg()
    state = part.add(part.add(part.create(), batch.take([0, 1])), batch.take([2, 3]))
    counts = part.result(state, CTX).details
    assert counts["requests"] + counts["without_relevance"] == 2


def test_the_state_of_rankings_does_not_grow():
    part = Ndcg()
    small = part.add(part.create(), rankings([5]))
    assert len(encode(part.add(small, rankings([5] * 2000)))) < len(encode(small)) + 50


@FEW
@given(n=st.integers(0, 500), seed=st.integers(0, 999), missing=st.sampled_from([0.0, 0.3]))
def test_the_median_error_of_few_rows_is_exact(n, seed, missing, merged):
    rng = np.random.default_rng(seed)
    y, z = rng.normal(size=(2, n))
    y[rng.random(n) < missing] = np.nan
    batch = Batch({}, NUMBERS, prediction=numeric(z), labels=numeric(y))
    errors = np.abs(y - z)[~np.isnan(y)]
    part = MedianError().bind(NUMBERS)
    for state in (part.add(part.create(), batch), merged(part, batch, seed)):
        result = part.result(state, CTX)
        assert result.n == len(errors)
        assert result.details["left_out"] == n - len(errors)
        if len(errors):
            assert result.values["median_error"] == np.quantile(errors, 0.5, method="inverted_cdf")
            assert result.details["rank_error"] == 0.0
        else:
            assert result.values == {"median_error": None}
            assert result.status == "insufficient"


def test_the_median_error_of_many_rows_keeps_its_bound(merged):
    rng = np.random.default_rng(4)
    y, z = rng.normal(size=(2, 20_000))
    batch = Batch({}, NUMBERS, prediction=numeric(z), labels=numeric(y))
    part = MedianError(k=200)
    result = part.result(merged(part, batch, 1, shards=8), CTX)
    rank = float(np.mean(np.abs(y - z) <= result.values["median_error"]))
    assert 0.0 < result.details["rank_error"] < 0.0134
    assert abs(rank - 0.5) <= 2 * result.details["rank_error"]
    assert part.compute(concat([batch, batch])).n == 40_000
    with pytest.raises(ValueError, match="k is 3"):
        MedianError(k=3)
