"""What the metrics share: choice of columns, aligned states, bounded categories, labels beside predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.components.metrics._categories import (
    add_counts,
    count_column,
    distinct,
    empty_table,
    hash_of,
    merge_tables,
)
from vedette.components.metrics._columns import by_column, pick, spread, stack, union
from vedette.components.metrics._labels import class_probabilities, matching_codes, predicted
from vedette_specs import Batch, Column, Schema, category, numeric, text

BATCH = Batch(
    {"x": numeric([1.0, np.nan]), "c": category(["a", None]), "y": numeric([3.0, 4.0]), "t": text(["p", None])}
)


def test_pick_takes_all_that_fit_or_those_named_in_their_order():
    assert pick(BATCH, None, "numeric", who="w") == ["x", "y"]
    assert pick(BATCH, None, who="w") == ["x", "c", "y", "t"]
    assert pick(BATCH, ["y", "x"], "numeric", who="w") == ["y", "x"]
    assert pick(BATCH, [], "numeric", who="w") == []
    with pytest.raises(ValueError, match=r"w: column 'q' is not in the batch; it has \['x', 'c', 'y', 't'\]"):
        pick(BATCH, ["q"], who="w")
    with pytest.raises(ValueError, match="w: column 't' is text; allowed: numeric, category"):
        pick(BATCH, ["t"], "numeric", "category", who="w")


def test_stack_has_a_contiguous_row_a_column():
    x = stack(BATCH, ["y", "x"])
    assert x.shape == (2, 2)
    assert x.flags.c_contiguous
    assert x[0].tolist() == [3.0, 4.0]
    assert stack(BATCH, []).shape == (0, 2)
    assert not np.shares_memory(stack(BATCH, ["x"]), BATCH.inputs["x"].values)


def test_union_commutes_and_keeps_an_order_that_is_the_same():
    assert union(["b", "a"], ["b", "a"]) == ["b", "a"]
    assert union(["b", "a"], ["c"]) == union(["c"], ["b", "a"]) == ["a", "b", "c"]


def test_spread_puts_the_neutral_value_where_a_column_was_not_seen():
    state = {"columns": ["b", "a"], "n": np.array([2, 1]), "low": np.array([0.2, 0.1])}
    wide = spread(state, ["a", "b", "c"], {"n": 0, "low": np.inf})
    assert wide["n"].tolist() == [1, 2, 0]
    assert wide["n"].dtype == state["n"].dtype
    assert wide["low"].tolist() == [0.1, 0.2, np.inf]
    assert by_column(["a", "b"], np.array([1.0, np.nan])) == {"a": 1.0, "b": None}


@pytest.mark.parametrize(
    "column",
    [
        category(["b", None, "a", "b"], ["a", "b", "never"]),
        text(["b", None, "a", "b"]),
        Column("category", np.array([1, -1, 0, 1], dtype=np.int32), ("a", "b")),
    ],
)
def test_counts_of_a_column(column):
    assert count_column(column) == ({"a": 1, "b": 2}, 1)
    assert count_column(column.take(slice(0, 0))) == ({}, 0)


def test_numbers_are_counted_by_their_text():
    assert count_column(numeric([1.0, 1, 2.5, None])) == ({"1": 2, "2.5": 1}, 1)


COUNTS = st.dictionaries(st.text(max_size=4), st.integers(1, 9), max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(COUNTS, min_size=1, max_size=5), limit=st.integers(1, 12), order=st.randoms(use_true_random=False)
)
def test_bounded_tables_are_the_same_in_any_order(parts, limit, order):
    def table(some):
        out = empty_table()
        for counts in some:
            out = add_counts(out, counts, limit)
        return out

    shuffled = list(parts)
    order.shuffle(shuffled)
    cut = order.randint(0, len(parts))
    merged = merge_tables(table(shuffled[:cut]), table(shuffled[cut:]), limit)
    one = table(parts)
    as_sets = [(set(zip(t["names"], t["counts"], strict=True)), t["other"]) for t in (one, merged)]
    assert as_sets[0] == as_sets[1]
    assert sum(one["counts"]) + one["other"] == sum(sum(p.values()) for p in parts)
    kept = sorted({name for p in parts for name in p}, key=hash_of)[:limit]
    assert set(one["names"]) == set(kept)


def test_hash_is_fixed_for_all_processes_and_takes_any_text():
    assert hash_of("a") == 3405396810240292928
    assert 0 <= hash_of("\ud800 half a pair") < 2**64


def test_the_estimate_of_distinct_is_unbiased_enough():
    limit = 400
    estimates = []
    for run in range(20):
        table = add_counts(empty_table(), {f"{run}/{i}": 1 for i in range(3000)}, limit)
        estimates.append(distinct(table, limit) / 3000)
    assert abs(np.mean(estimates) - 1) < 3 * (1 / np.sqrt(398)) / np.sqrt(20)


def test_labels_and_predictions_of_different_kinds_are_matched_by_text():
    truth, answer = matching_codes(numeric([0, 1, None]), category(["0", "0", "1"]))
    assert (truth == answer).tolist() == [True, False, False]
    truth, answer = matching_codes(text(["yes", None]), category(["yes", "no"], ["no", "yes"]))
    assert (truth == answer).tolist() == [True, False]
    assert truth[1] == -1


def test_prediction_comes_from_probabilities_only_where_it_is_unknown():
    schema = Schema(task="multiclass", classes=("a", "b", "c"))
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    given_ = category(["a", "a"], schema.classes)
    assert predicted(Batch({}, schema, probabilities=p, prediction=given_)) is given_
    assert predicted(Batch({}, schema, probabilities=p)).strings().tolist() == ["b", "c"]
    assert predicted(Batch({}, schema)) is None
    assert predicted(Batch({}, Schema(), probabilities=p)) is None


@pytest.mark.parametrize(("positive", "expected"), [("no", [0.9, 0.1]), ("yes", [0.1, 0.9])])
def test_a_single_probability_is_completed(positive, expected):
    schema = Schema(task="binary", classes=("no", "yes"), positive=positive)
    out = class_probabilities(Batch({}, schema, probabilities=np.array([[0.9]])), "w")
    assert out[0].tolist() == pytest.approx(expected)
    nothing = class_probabilities(Batch({"x": numeric([1.0])}, schema), "w")
    assert np.isnan(nothing).all()
    assert nothing.shape == (1, 2)
