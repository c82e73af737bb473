"""The byte format: what goes in comes out, and nothing else can be put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vedette_specs.codec import MAGIC, CodecError, decode, encode

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text() | st.binary()
)
KEYS = st.text().filter(lambda key: not key.startswith("\x00"))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(VALUES)
def test_plain_values_come_back(value: object) -> None:
    assert decode(encode(value)) == value


@given(
    arrays.arrays(
        st.sampled_from(["f8", "f4", "i8", "i4", "u2", "?", "U3", "S2", ">f8"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_arrays_come_back_with_shape_and_type(array: np.ndarray) -> None:
    back = decode(encode({"a": array, "after": np.arange(3)}))
    assert back["a"].dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(back["a"], array)
    np.testing.assert_array_equal(back["after"], np.arange(3))


@given(st.lists(st.none() | st.text(st.characters())))
def test_texts_come_back_whatever_they_hold(items: list[str | None]) -> None:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    assert decode(encode([array, array]))[1].tolist() == items


@pytest.mark.parametrize("items", [["a\x1fb", "c"], ["", ""], [""], ["\x1f"], [None, "x"], ["\ud800"]])
def test_separators_and_empty_texts_are_kept_apart(items: list[str | None]) -> None:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    assert decode(encode(array)).tolist() == items


def test_not_a_number_and_infinity_come_back() -> None:
    back = decode(encode([float("nan"), float("inf"), -float("inf")]))
    assert np.isnan(back[0])
    assert back[1:] == [float("inf"), -float("inf")]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": {"b": object()}}, r"\$\.a\.b"),
        ([1, {2: 3}], r"\$\[1\]"),
        (np.array([1, "x", None], dtype=object), "object arrays"),
        (np.array([["a"], ["b"]], dtype=object), "object arrays"),
        ({"\x00x": 1}, "keys are strings"),
    ],
)
def test_what_cannot_be_encoded_is_named_with_its_place(value: object, where: str) -> None:
    with pytest.raises(CodecError, match=where):
        encode(value)


@pytest.mark.parametrize(
    "data", [b"", b"VDT", b"PK\x03\x04aaaaaaaa", MAGIC + b"\xff\xff\xff\x7f{}", MAGIC + b"\x02\0\0\0{["]
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_damage_never_raises_anything_else(noise: bytes, position: int) -> None:
    whole = encode({"x": np.arange(20.0), "t": np.array(["a", "b"], dtype=object), "b": b"123"})
    torn = whole[:position] + noise + whole[position + len(noise) :]
    try:
        decode(torn)
    except CodecError:
        return


def test_decoded_arrays_cannot_change_the_bytes() -> None:
    back = decode(encode(np.arange(3.0)))
    with pytest.raises(ValueError, match="read-only"):
        back[0] = 1.0
