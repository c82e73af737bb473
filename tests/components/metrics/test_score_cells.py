"""Rankings of crowded scores against scikit-learn, and the law of merging of the cells that count them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

import vedette
from vedette.components.metrics._score_cells import Cells, count_cells, merge_cells, no_cells
from vedette_specs import Batch, Column, Floats, Mask, ResultContext, Schema
from vedette_specs.codec import encode

SCHEMA = Schema(task="binary", classes=("no", "yes"), positive="yes")
USES = ["roc_auc", "average_precision", "gain", "lift"]


def rows(p: Floats, truth: Mask) -> Batch:
    labels = Column("category", truth.astype(np.int32), SCHEMA.classes)
    return Batch({}, SCHEMA, probabilities=np.column_stack([1.0 - p, p]), labels=labels)


def drawn(kind: str, n: int, seed: int = 0) -> tuple[Floats, Mask]:
    """Calibrated scores: of a rare class with this mean, of a frequent one, or spread."""
    rng = np.random.default_rng(seed)
    crowded = rng.beta(0.5, 8.0, n) * 17.0
    p = {
        "mean 1e-3": 1e-3 * crowded,
        "mean 1e-4": 1e-4 * crowded,
        "mean 1e-6": 1e-6 * crowded,
        "mean 0.9999": 1.0 - 1e-4 * crowded,
        "uniform": rng.random(n),
    }[kind]
    return p, rng.random(n) < p


def exact(p: Floats, truth: Mask, at: float = 0.1) -> dict[str, float]:
    top = truth[np.argsort(-p, kind="stable")][: round(at * len(p))]
    gain = float(top.sum() / truth.sum())
    areas = float(sk.roc_auc_score(truth, p)), float(sk.average_precision_score(truth, p))
    return dict(zip(USES, (*areas, gain, gain / at), strict=True))


@pytest.mark.parametrize(
    ("kind", "n", "off"),
    [
        ("mean 1e-3", 50_000, 2e-3),
        ("mean 1e-4", 400_000, 2e-3),
        ("mean 1e-6", 3_000_000, 4e-3),
        ("mean 0.9999", 400_000, 2e-3),
        ("uniform", 50_000, 1e-3),
    ],
)
def test_crowded_scores_are_ranked_as_scikit_learn_ranks_them(kind: str, n: int, off: float) -> None:
    p, truth = drawn(kind, n)
    batch = rows(p, truth)
    wanted = exact(p, truth)
    for use in ("roc_auc", "average_precision"):
        found = vedette.make(use).compute(batch)
        assert found.status == "ok"
        assert abs(found.values[use] - wanted[use]) <= min(off, found.details["bound"] + 1e-12)
        assert found.details["bound"] <= 0.01
    for use in ("gain", "lift"):
        found = vedette.make(use).compute(batch)
        assert abs(found.values[use] - wanted[use]) <= found.details["bound"] + 1e-12


def test_small_scores_are_ranked_as_their_multiples_are() -> None:
    """The order is all that counts: scores below 0.0005 gave 0.5, 0.06, 0.1 and 1.0."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 8.0, 4000)
    truth = rng.random(4000) < p
    for use, wanted in exact(p, truth).items():
        found = vedette.make(use).compute(rows(p / 2000, truth))
        assert found.status == "ok"
        assert found.values[use] == pytest.approx(wanted, abs=2e-3)


def test_spread_scores_are_hardly_worse_off_than_with_equal_cells() -> None:
    p, truth = drawn("uniform", 50_000)
    found = vedette.make("roc_auc").compute(rows(p, truth))
    place = (p * 1000).astype(int)
    equal = np.bincount(place[truth], minlength=1000) @ np.bincount(place[~truth], minlength=1000)
    assert found.details["bound"] <= 2 * equal / (2 * truth.sum() * (~truth).sum())
    assert abs(found.values["roc_auc"] - sk.roc_auc_score(truth, p)) < 1e-5


@pytest.mark.parametrize("kind", ["mean 1e-4", "uniform"])
def test_up_to_as_many_scores_as_bins_are_exact_with_their_ties(kind: str) -> None:
    p, _ = drawn(kind, 998)
    rng = np.random.default_rng(1)
    p = rng.choice(np.concatenate([p, [0.0, 1.0]]), 20_000)
    truth = rng.random(len(p)) < 0.1 + 0.8 * (p > np.median(p))
    for use in ("roc_auc", "average_precision"):
        found = vedette.make(use).compute(rows(p, truth))
        assert found.values[use] == pytest.approx(exact(p, truth)[use], rel=1e-9)
        assert (found.status, found.details["bound"]) == ("ok", 0.0)


def test_scores_of_exactly_0_and_1_have_cells_of_their_own() -> None:
    """Most rows are at an end, and among them nothing is to be ordered: that is no error."""
    p, truth = drawn("uniform", 30_000)
    p[:10_000], p[10_000:20_000] = 0.0, 1.0
    found = vedette.make("roc_auc").compute(rows(p, truth))
    assert found.details["bound"] < 1e-3
    assert found.values["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, p), abs=1e-5)
    ends = count_cells(np.array([-0.0, 0.0, 5e-324, 1e-300, 1e-15, 1 - 2**-53, 1.0, 1.5]), np.zeros(8, bool), None, 2)
    assert ends.counts.sum(axis=0).tolist() == [2, 3, 1, 2]


@pytest.mark.parametrize("use", USES)
def test_a_value_that_may_be_far_off_is_shown_but_no_rule_may_use_it(use: str) -> None:
    """Three quarters of the rows have one score, amid thousands of others: what may be within its cell is not known."""
    p, truth = drawn("uniform", 20_000)
    p[: len(p) * 3 // 4] = 0.92
    found = vedette.make(use).compute(rows(p, truth))
    assert found.status == "insufficient"
    assert found.values[use] is not None
    assert found.details["bound"] > 0.05
    assert "max_error" in found.details["reason"]
    allowed = vedette.make(use, max_error=1.0).compute(rows(p, truth))
    assert (allowed.status, allowed.values) == ("ok", found.values)
    assert "reason" not in allowed.details


@pytest.mark.parametrize("use", USES)
def test_options_are_checked(use: str) -> None:
    for error in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"{use}: max_error is"):
            vedette.make(use, max_error=error)
    with pytest.raises(ValueError, match=f"{use}: bins is 1000001; allowed: 2 or more, up to 1000000"):
        vedette.make(use, bins=1_000_001)


SCORES = st.one_of(
    st.floats(0.0, 1.0),
    st.floats(0.0, 1e-6),
    st.floats(0.0, 1e-6).map(lambda p: 1.0 - p),
    st.sampled_from([0.0, 0.5, 1.0, 0.25, np.nextafter(0.5, 0.0), np.nextafter(0.5, 1.0), -0.5, 2.0]),
)


@settings(max_examples=300, deadline=None)
@given(
    given_=st.lists(st.tuples(SCORES, st.booleans(), st.integers(0, 3)), max_size=80),
    bins=st.sampled_from([2, 3, 7, 20]),
    seed=st.integers(0, 100),
)
def test_merging_is_exact_in_any_order_and_a_higher_score_is_never_in_a_lower_cell(
    given_: list[tuple[float, bool, int]], bins: int, seed: int
) -> None:
    p = np.array([score for score, _, _ in given_], dtype=np.float64)
    truth = np.array([yes for _, yes, _ in given_], dtype=bool)
    where = np.array([part for _, _, part in given_], dtype=int)

    def as_bytes(cells: Cells) -> bytes:
        return encode({"level": cells.level, "keys": cells.keys, "counts": cells.counts})

    whole = count_cells(p, truth, None, bins)
    merged = no_cells()
    for part in np.random.default_rng(seed).permutation(4):
        merged = merge_cells(merged, count_cells(p[where == part], truth[where == part], None, bins), bins)
    assert as_bytes(merged) == as_bytes(whole)
    assert len(whole.keys) <= bins + 2
    assert whole.counts.sum() == len(p)
    order = np.argsort(np.clip(p, 0.0, 1.0), kind="stable")
    ends = np.cumsum(whole.counts.sum(axis=0))[:-1]
    pieces = np.split(truth[order], ends)
    assert [int(piece.sum()) for piece in pieces if len(piece)] == whole.counts[1].tolist()


def test_weighed_rows_and_a_half_life_keep_the_value() -> None:
    p, truth = drawn("mean 1e-3", 20_000)
    batch = rows(p, truth)
    weights = Column("numeric", np.where(truth, 2.0, 0.5))
    metric: Any = vedette.make("roc_auc", weight="w").bind(SCHEMA)
    state = metric.add(metric.create(), batch.replace(attributes={"w": weights}))
    found = metric.result(metric.scale(state, 0.25), ResultContext())
    assert found.values["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, p), abs=2e-3)
