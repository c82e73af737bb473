"""Files of labels, read in chunks; whatever keeps one from being read names the file, and the row where it is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.cli.label_csv import BadRow, csv_frames, csv_rows
from vedette.config.files import existing, not_utf8

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 10_000
COLUMNS = ("id", "label", "row", "annotator", "time")
KEY = "key"


class BadLabels(ValueError):
    """The file cannot be sent; says which row is wrong, and how many labels are stored already."""


@contextmanager
def reading(file: Path, join: str) -> Iterator[tuple[int | None, Iterable[pd.DataFrame]]]:
    """(rows where known, the file in chunks, whose columns have our names). join: the plan's `labels.join`."""
    allowed = COLUMNS if join == "id" else (*COLUMNS, join)
    existing(file)
    if file.suffix == ".parquet":
        import pyarrow.parquet as parquet

        with _readable(file):
            table = parquet.ParquetFile(file)
        with table:
            names = table.schema_arrow.names
            _check_columns(file, names, allowed)
            batches = table.iter_batches(CHUNK, columns=[name for name in names if name in allowed])
            yield table.metadata.num_rows, _chunks(file, (batch.to_pandas() for batch in batches), join)
    elif file.suffix == ".csv":
        with csv_rows(file) as rows:
            with _readable(file):
                names = next(rows, None)
            if names is None:
                raise BadLabels(
                    f"{file}: the file is empty; its first line must name the columns: {', '.join(allowed)}"
                )
            _check_columns(file, names, allowed)
            yield None, _chunks(file, csv_frames(names, rows, CHUNK), join)
    else:
        raise BadLabels(f"{file}: {file.suffix or 'no ending'!r} is not known; allowed: .parquet, .csv")


@contextmanager
def _readable(file: Path, before: int | None = None) -> Iterator[None]:
    """What the readers of files raise, as BadLabels. before: rows that were read and sent."""
    import pyarrow as pa

    stored = "" if before is None else f" ({before:,} labels are stored)"
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadLabels(f"{file}: {not_utf8(file) or error}{stored}") from error
    except BadRow as error:
        raise BadLabels(f"{file}: {error}{stored}") from error
    except (ValueError, OSError, pa.ArrowException) as error:
        said = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadLabels(f"{file}: cannot be read: {said}{stored}") from error


def _chunks(file: Path, frames: Iterable[pd.DataFrame], join: str) -> Iterator[pd.DataFrame]:
    found = iter(frames)
    before = 0
    while True:
        with _readable(file, before):
            frame = next(found, None)
        if frame is None:
            return
        yield _named(frame, join)
        before += len(frame)


def _check_columns(file: Path, names: Sequence[str], allowed: Sequence[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadLabels(f"{file}: column {twice[0]!r} stands twice; a name may stand only once")
    key = next((name for name in allowed[len(COLUMNS) :] if name in names and "id" not in names), "id")
    if missing := [name for name in (key, "label") if name not in names]:
        raise BadLabels(f"{file}: column {missing[0]!r} is missing; it has {', '.join(names)}")
    if unknown := [name for name in names if name not in allowed and not name.startswith("__index")]:
        raise BadLabels(f"{file}: column {unknown[0]!r} is not known; allowed: {', '.join(allowed)}")


def _named(frame: pd.DataFrame, join: str) -> pd.DataFrame:
    """With the key of `labels.join` as `id`; attrs[KEY] is what the file calls it, for messages."""
    if join == "id" or join not in frame:
        return frame
    if "id" in frame:
        return frame.drop(columns=join)
    named = frame.rename(columns={join: "id"})
    named.attrs[KEY] = join
    return named
