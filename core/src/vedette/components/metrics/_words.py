"""Words and characters of text columns."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from vedette_specs import Column

_WORD = re.compile(r"\w+")
SCRIPTS = (
    "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "telugu", "thai", "georgian",
    "armenian", "ethiopic", "hangul", "hiragana", "katakana", "han", "other",
)  # fmt: skip
CLASSES = ("letter", "digit", "space", "punctuation", "symbol", "control", "other")
_CLASS_OF = {"L": "letter", "M": "letter", "N": "digit", "Z": "space", "P": "punctuation", "S": "symbol"}


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, in lower case."""
    return _WORD.findall(text.lower())


def known_texts(column: Column) -> list[str]:
    return [item for item in column.values.tolist() if item is not None]


def character_counts(texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    found, counts = np.unique(points, return_counts=True)
    return Counter(dict(zip(map(chr, found.tolist()), counts.tolist(), strict=True)))


@lru_cache(maxsize=65_536)
def class_of(character: str) -> str:
    """One of `CLASSES`, by Unicode general category; tabs and line ends are space."""
    if character.isspace():
        return "space"
    category = unicodedata.category(character)
    return "control" if category in ("Cc", "Cf") else _CLASS_OF.get(category[0], "other")


@lru_cache(maxsize=65_536)
def script_of(character: str) -> str | None:
    """One of `SCRIPTS`, by the first word of the character's Unicode name; None for what is not a letter."""
    if not character.isalpha():
        return None
    first = unicodedata.name(character, "").partition(" ")[0].lower()
    first = {"cjk": "han", "ideographic": "han", "fullwidth": "latin", "halfwidth": "katakana"}.get(first, first)
    return first if first in SCRIPTS else "other"
