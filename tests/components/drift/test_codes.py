"""The counted places of window values: exact, bounded, and shared with no other state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.components.drift._codes import add_codes, code_counts, empty_codes, merge_codes
from vedette.components.drift._reference import SortedReference
from vedette.components.drift.ks import KS
from vedette_specs import ResultContext
from vedette_specs.codec import decode, encode

SIZE = 300
PIECES = st.lists(st.lists(st.integers(0, SIZE - 1), max_size=120), max_size=12)


def whole(pieces: list[list[int]]) -> dict[int, int]:
    values, counts = np.unique(np.array([c for piece in pieces for c in piece], dtype=int), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def counted(state) -> dict[int, int]:
    return dict(zip(*(part.tolist() for part in code_counts(state, SIZE)), strict=True))


@settings(max_examples=80, deadline=None)
@given(left=PIECES, right=PIECES)
def test_counts_are_those_of_all_codes(left, right):
    states = []
    for pieces in (left, right):
        state = empty_codes()
        for piece in pieces:
            state = add_codes(state, np.array(piece, dtype=np.int32), SIZE)
            assert sum(map(len, state["chunks"])) <= max(SIZE // 2, 64)
        assert counted(state) == whole(pieces)
        states.append(decode(encode(state)))
    merged = merge_codes(*states, SIZE)
    assert counted(merged) == counted(merge_codes(*states[::-1], SIZE)) == whole(left + right)
    assert sum(map(len, merged["chunks"])) <= max(SIZE // 2, 64)


def test_adding_to_a_merged_state_leaves_what_was_merged_alone():
    codes = np.arange(SIZE, dtype=np.int32)
    dense, empty = add_codes(empty_codes(), codes, SIZE), empty_codes()
    assert dense["counts"] is not None
    for left, right in ((dense, empty), (empty, dense), (dense, dense)):
        before = encode(left), encode(right)
        grown = add_codes(merge_codes(left, right, SIZE), codes, SIZE)
        assert (encode(left), encode(right)) == before
        assert sum(counted(grown).values()) > SIZE


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_counts_that_outgrow_their_bytes_are_kept(dtype):
    most = int(np.iinfo(dtype).max)
    full = {"chunks": [], "counts": np.full(SIZE, most, dtype=dtype)}
    more = add_codes(full, np.zeros(200, dtype=np.int32), SIZE)
    assert counted(more)[0] == most + 200
    assert counted(merge_codes(more, more, SIZE))[0] == 2 * (most + 200)
    assert counted(merge_codes(full, full, SIZE))[5] == 2 * most


def test_a_dense_state_takes_a_byte_a_count_while_counts_are_small():
    dense = add_codes(empty_codes(), np.arange(SIZE, dtype=np.int32), SIZE)
    assert len(encode(dense)) < SIZE + 200
    for _ in range(300):
        dense = add_codes(decode(encode(dense)), np.arange(SIZE, dtype=np.int32), SIZE)
    assert counted(dense) == dict.fromkeys(range(SIZE), 301)
    assert dense["counts"].dtype == np.uint16


def test_codes_by_hand():
    reference = SortedReference.compile([np.array([1.0, 2.0, 2.0, 5.0]), np.array([])], limit=100)
    assert reference.values.tolist() == [1.0, 2.0, 5.0]
    assert reference.cumulative.tolist() == [1, 3, 4]
    assert reference.size == 8
    x = np.array([[0.0, 1.0, 1.5, 2.0, 5.0, 9.0], [np.nan, 3.0, np.nan, np.nan, np.nan, np.nan]])
    codes, missing = reference.codes(x)
    # below all, on 1, between, on 2, on 5, above all; then the only place of a column without reference
    assert codes.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert missing.tolist() == [0, 5]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_columns_without_a_reference_value_do_not_disturb_the_others(rows):
    rng = np.random.default_rng(0)
    reference = np.column_stack([np.full(500, np.nan), rng.normal(size=500), np.full(500, np.nan)])
    window = rng.normal(size=(rows, 3))
    ks = KS(min_rows=1).fit(reference)
    alone = KS(min_rows=1).fit(reference[:, [1]])
    verdict = ks.test(window)
    middle = {f.feature: f for f in verdict.features}["x1"]
    expected = alone.result(alone.add(alone.create(), alone.rows(window[:, [1]])), ResultContext()).features[0]
    assert (middle.statistic, middle.p_value) == (expected.statistic, expected.p_value)
    assert {f.feature: f.drifted for f in verdict.features}["x0"] is None
