"""Rows of a CSV file of labels, a few at a time; one that has not a field for each column is refused.

Python's own reader: pandas takes the first field of rows that are too long for an index, and all columns move.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import pandas as pd

MAX_LINE = 1_000_000  # characters: a file that is no CSV may be a single line, which must not fill the memory


class BadRow(ValueError):
    """A row that cannot be read, with its number; rows are counted from 1, without the names of the columns."""


@contextmanager
def csv_rows(file: Path) -> Iterator[Iterator[list[str]]]:
    """The names of the columns, then the rows; empty lines are left out."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        yield _rows(text)


def csv_frames(names: Sequence[str], rows: Iterator[list[str]], chunk: int) -> Iterator[pd.DataFrame]:
    """Texts as they stand; only an empty cell is missing, for a class may well be called NA."""
    import pandas as pd

    while found := list(islice(rows, chunk)):
        cells = [[cell or None for cell in row] for row in found]
        yield pd.DataFrame(cells, columns=list(names), dtype=object)


def _rows(text: TextIO) -> Iterator[list[str]]:
    found = csv.reader(_lines(text), strict=True)
    names: list[str] | None = None
    number = 0
    while True:
        try:
            row = next(found, None)
        except csv.Error as error:
            hint = "; is a quote not closed?" if "end of data" in str(error) or "limit" in str(error) else ""
            place = "the line of names" if names is None else f"row {number + 1}"
            raise BadRow(f"{place} cannot be read: {error}{hint}") from error
        if row is None:
            return
        if not row or (len(row) == 1 and row[0].isspace()):
            continue
        if names is None:
            names = row
        else:
            number += 1
            _check_fields(number, row, names)
        yield row


def _check_fields(number: int, row: Sequence[str], names: Sequence[str]) -> None:
    if len(row) != len(names):
        fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
        raise BadRow(f"row {number} has {fields}; expected: {len(names)} ({', '.join(names)})")


def _lines(text: TextIO) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            raise BadRow(f"line {number} is longer than {MAX_LINE:,} characters; is this a CSV file?")
        yield line
