"""What is wrong with a configuration, and where: every fault with its place, its line and a caret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

SHOWN = 160  # characters of a source line that are shown


@dataclass(frozen=True)
class Source:
    """A file as it was read. name: as people know it.  folder: what its relative paths start from."""

    name: str
    text: str = ""
    folder: str = ""

    def line(self, number: int) -> str:
        """Line `number`, counted from 1; "" past the end."""
        lines = self.text.splitlines()
        return lines[number - 1] if 1 <= number <= len(lines) else ""


@dataclass(frozen=True)
class Place:
    """Line and column, both counted from 1; 0 where a fault belongs to the whole file."""

    source: Source
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. source_line: the YAML as written, variables unexpanded."""

    file: str
    line: int
    column: int
    message: str
    source_line: str = ""

    @classmethod
    def at(cls, place: Place, message: str) -> Self:
        return cls(place.source.name, place.line, place.column, message, place.source.line(place.line))

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        excerpt = _excerpt(self.source_line, self.column)
        return f"{where}: {self.message}" + (f"\n{excerpt}" if excerpt else "")


class Note(Fault):
    """Something to know of a configuration that is not wrong."""


class ConfigError(ValueError):
    """All faults of a configuration, in the order of their places."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        unique = dict.fromkeys(faults)
        self.faults: tuple[Fault, ...] = tuple(sorted(unique, key=lambda f: (f.file, f.line, f.column)))
        super().__init__("\n".join(map(str, self.faults)))


def did_you_mean(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """`; did you mean 'window'?`, else what there is, else nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6) or difflib.get_close_matches(
        word.lower(), names, n=1, cutoff=0.6
    )
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ""
    more = f" and {len(names) - listed} more" if len(names) > listed else ""
    return f"; allowed: {', '.join(names[:listed])}{more}"


def _excerpt(line: str, column: int) -> str:
    if not line.strip() or not column:
        return ""
    start = max(0, column - 1 - SHOWN // 2) if len(line) > SHOWN else 0
    shown = line[start : start + SHOWN]
    pad = "".join("\t" if char == "\t" else " " for char in shown[: column - 1 - start])
    return f"  {shown}\n  {pad}^"
