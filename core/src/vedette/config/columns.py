"""Arrow tables as columns, without a detour over Python objects where there is a way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette_specs import Column, category
from vedette_specs.convert import infer_kind

if TYPE_CHECKING:
    import pyarrow as pa

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls a saved index: no feature of any model
_SAMPLE = 10_000  # texts looked at to tell long ones from categories


def arrow_columns(table: pa.Table) -> dict[str, Any]:
    """Name -> Column; what is no feature of a model (times, bytes, structs) stays an Arrow column."""
    names = [name for name in table.column_names if not _INDEX.fullmatch(str(name))]
    return {str(name): _column(table.column(name)) for name in names}


def is_feature(values: Any) -> bool:
    """False for what `arrow_columns` could not read as a column of a known kind."""
    return not hasattr(values, "chunks")


def _column(values: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        return _categories(values)
    if pa.types.is_dictionary(kind):
        return _column(values.cast(kind.value_type))
    if _is_text(kind):
        return _texts(values)
    if pa.types.is_boolean(kind):
        return category(values.to_pylist())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Column("numeric", _floats(values))
    if pa.types.is_null(kind):
        return Column("numeric", np.full(len(values), np.nan))
    if _is_vector(kind):
        return _vectors(values)
    return values


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_vector(kind: pa.DataType) -> bool:
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def _floats(values: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    return np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _texts(values: pa.ChunkedArray) -> Column:
    if infer_kind(values.slice(0, _SAMPLE).drop_null().to_pylist()) == "text":
        return Column("text", np.array(values.to_pylist(), dtype=object))
    return _categories(values.dictionary_encode())


def _categories(values: pa.ChunkedArray) -> Column:
    """Codes into the sorted categories that occur, so that the order in the file does not matter."""
    import pyarrow as pa

    encoded = pa.concat_arrays(values.cast(values.type.value_type).chunks or [pa.array([], pa.string())])
    encoded = encoded.dictionary_encode()
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    codes = np.array(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names) + 1, dtype=np.int32)
    rank[order], rank[-1] = np.arange(len(names)), -1
    return Column("category", rank[codes], tuple(names[i] for i in order))


def _vectors(values: pa.ChunkedArray) -> Any:
    """(n, d) embedding where all rows are equally long; a missing row is all NaN."""
    rows = values.to_pylist()
    widths = {len(row) for row in rows if row is not None}
    if len(widths) != 1:
        return values
    width = widths.pop()
    blank = [np.nan] * width
    return Column("embedding", np.array([blank if row is None else row for row in rows], dtype=np.float64))
