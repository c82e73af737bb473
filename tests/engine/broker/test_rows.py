"""Row keys and the cache of answers."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.engine.explain.rows import AnswerCache, row_keys, signature, visible
from vedette_specs import Batch, category, numeric, tensor, text


def keys(batch: Batch, secret: int = 0) -> list[bytes]:
    return [bytes(key) for key in row_keys(batch, secret)]


def test_equal_rows_have_equal_keys_and_others_have_others():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 12, (4000, 3)).astype(float)
    found = keys(Batch({f"x{i}": numeric(column) for i, column in enumerate(rows.T)}))
    as_tuples = [tuple(row) for row in rows.tolist()]
    assert len(set(found)) == len(set(as_tuples)) == len(set(zip(found, as_tuples, strict=True)))


def test_columns_of_every_kind_count():
    def rows(**changes) -> Batch:
        parts = {
            "n": numeric([1.0]),
            "c": category(["red"]),
            "t": text(["some words"]),
            "e": tensor("embedding", [[1.0, 2.0]]),
            "i": tensor("image", [[[1.0, 2.0], [3.0, 4.0]]]),
        }
        return Batch(parts | changes)

    variants = [
        rows(),
        rows(n=numeric([2.0])),
        rows(n=numeric([np.nan])),
        rows(c=category(["blue"])),
        rows(c=category([None])),
        rows(t=text(["other words"])),
        rows(t=text([None])),
        rows(e=tensor("embedding", [[2.0, 1.0]])),
        rows(i=tensor("image", [[[1.0, 3.0], [2.0, 4.0]]])),
        rows().replace(attributes={"version": category(["2"])}),
        rows().replace(prediction=category(["yes"])),
        rows().replace(probabilities=np.array([[0.2, 0.8]])),
    ]
    assert len({keys(variant)[0] for variant in variants}) == len(variants)


def test_swapped_values_and_names_have_other_keys():
    left = Batch({"a": numeric([1.0]), "b": numeric([2.0])})
    assert keys(left) == keys(Batch({"b": numeric([2.0]), "a": numeric([1.0])}))
    assert keys(left) != keys(Batch({"a": numeric([2.0]), "b": numeric([1.0])}))


def test_what_is_equal_for_a_model_has_one_key():
    one = Batch({"x": numeric([0.0, np.nan]), "c": category(["a", "b"])})
    two = Batch({"x": numeric([-0.0, -np.nan]), "c": category(["a", "b"], categories=["z", "b", "a"])})
    assert keys(one) == keys(two)
    assert keys(one.replace(ids=np.array(["i", "j"], dtype=object), labels=numeric([1, 2]))) == keys(one)
    assert visible(one.replace(times=np.zeros(2))).times is None


def test_the_secret_changes_the_keys():
    rows = Batch({"x": numeric([1.0])})
    assert keys(rows, 1) != keys(rows, 2)
    assert keys(rows, 1) == keys(rows, 1)


def test_no_rows_have_no_keys():
    assert keys(Batch({"x": numeric([]), "c": category([])})) == []


def test_signature():
    one = Batch({"x": numeric([1.0]), "e": tensor("embedding", [[1.0, 2.0]])})
    assert signature(one) == signature(one.take([0, 0]))
    assert signature(one) != signature(one.select(["x"]))
    assert signature(one) != signature(one.with_inputs(e=tensor("embedding", [[1.0, 2.0, 3.0]])))
    assert signature(one) != signature(one.replace(prediction=numeric([1.0])))


def test_cache_bounds_and_order():
    cache = AnswerCache(rows=2, size=1 << 20)
    cache.keep("m", [b"1", b"2"], np.array([[1.0], [2.0]]))
    assert cache.find("m", [b"1"])[0] == 1.0
    cache.keep("m", [b"3"], np.array([[3.0]]))
    assert [answer is not None for answer in cache.find("m", [b"1", b"2", b"3"])] == [True, False, True]
    assert cache.find("other", [b"1"]) == [None]
    assert len(cache) == 2


def test_cache_counts_bytes_once():
    cache = AnswerCache(rows=100, size=2000)
    for _ in range(50):
        cache.keep("m", [b"1"], np.array([[1.0]]))
    cache.keep("m", [b"2"], np.array([[1.0]]))
    assert len(cache) == 2
    cache.keep("m", [b"%d" % i for i in range(50)], np.zeros((50, 1)))
    assert len(cache) == 2000 // 258


def test_cache_of_another_version_is_empty():
    cache = AnswerCache(rows=10, size=1 << 20)
    cache.use_version("1")
    cache.keep("m", [b"1"], np.array([[1.0]]))
    cache.use_version("1")
    assert len(cache) == 1
    cache.use_version("2")
    assert len(cache) == 0


def test_a_cache_of_no_rows_keeps_nothing():
    cache = AnswerCache(rows=0, size=1 << 20)
    cache.keep("m", [b"1"], np.array([[1.0]]))
    assert len(cache) == 0


def test_answers_are_kept_apart_from_what_they_came_in():
    cache = AnswerCache(rows=10, size=1 << 20)
    answers = np.array([[1.0]])
    cache.keep("m", [b"1"], answers)
    answers[0, 0] = 9
    assert cache.find("m", [b"1"])[0] == pytest.approx(1.0)
