"""Plain scalars by the core schema of YAML 1.2."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vedette.config.faults import Source
from vedette.config.reading import read
from vedette.config.scalars import plain_scalar, tagged_scalar

CASES: list[tuple[str, Any]] = [
    ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("NO", "NO"),
    ("true", True), ("True", True), ("FALSE", False), ("tRUE", "tRUE"),
    ("null", None), ("~", None), ("", None), ("nULL", "nULL"),
    ("12", 12), ("+12", 12), ("-0", 0), ("010", 10), ("0o17", 15), ("0x1F", 31), ("0b11", "0b11"),
    ("1_000", "1_000"), ("12:30:45", "12:30:45"), ("1:30", "1:30"),
    ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1E-3", 0.001), ("1.5e+3", 1500.0), (".", "."),
    (".inf", math.inf), ("-.Inf", -math.inf), ("inf", "inf"), ("nan", "nan"),
    ("2020-01-01", "2020-01-01"), ("=", "="), ("<<", "<<"), ("1h", "1h"), ("1000 rows", "1000 rows"),
    ("0o8", "0o8"), ("0xg", "0xg"), ("e3", "e3"), ("1e", "1e"), ("-", "-"), ("+.5", 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CASES)
def test_core_schema(text: str, value: Any) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(plain_scalar(".nan"))  # type: ignore[arg-type]


def test_a_number_too_long_for_python_is_text() -> None:
    assert plain_scalar("9" * 5000) == "9" * 5000


@pytest.mark.parametrize(
    ("text", "value"),
    [("!!str 12", "12"), ("!!int 12", 12), ("!!float 12", 12.0), ("!!bool true", True), ("!!null ''", None)],
)
def test_core_tags(text: str, value: Any) -> None:
    tree, faults = read(Source("x.yaml", f"a: {text}"))
    assert faults == []
    assert tree is not None
    assert tree.data() == {"a": value}


@pytest.mark.parametrize("text", ["12", "'12'", '"12"', "!!str 12", "|-\n  12", ">-\n  12"])
def test_only_a_plain_scalar_is_resolved(text: str) -> None:
    tree, _ = read(Source("x.yaml", f"a: {text}"))
    assert tree is not None
    assert tree.data() == {"a": 12 if text == "12" else "12"}


@pytest.mark.parametrize(
    ("tag", "text", "message"),
    [
        ("tag:yaml.org,2002:int", "x", "'x' is not !!int"),
        ("tag:yaml.org,2002:int", "true", "'true' is not !!int"),
        ("tag:yaml.org,2002:python/name:os.system", "", "is not allowed; allowed: !!str, !!int"),
        ("!mine", "x", "the tag '!mine' is not allowed"),
    ],
)
def test_other_tags_are_refused(tag: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        tagged_scalar(tag, text)
