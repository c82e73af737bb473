"""Plain YAML scalars by the core schema of YAML 1.2: no yes/no/on/off, no base 60, no leading-zero octal."""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS = 4000  # Python refuses to convert longer integers


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar (YAML 1.2.2, section 10.3.2)."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.fullmatch(text):
        return int(text, 10) if len(text) <= _DIGITS else text
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float("nan") if special[3] else float(f"{special[1]}inf")
    return text


_TAGS = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}


def tagged_scalar(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit core tag (`!!str 12`); ValueError where they do not fit."""
    prefix, _, name = tag.rpartition(":")
    if prefix != "tag:yaml.org,2002" or name not in _TAGS:
        raise ValueError(f"the tag {tag!r} is not allowed; allowed: {', '.join('!!' + known for known in _TAGS)}")
    if name == "str":
        return text
    value = plain_scalar(text)
    if not isinstance(value, _TAGS[name]) or (isinstance(value, bool) and name != "bool"):
        raise ValueError(f"{text!r} is not !!{name}")
    return float(value) if isinstance(value, int) and name == "float" else value
