"""Columns that `vedette init` leaves out of the features: ids and times."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from vedette.config.identifying import no_features
from vedette.config.reference import read_columns

N = 50


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("id", range(N), "names each row"),
        ("request_id", [f"r{i}" for i in range(N)], "names each row"),
        ("uuid", [f"{i:x}" for i in range(N)], "names each row"),
        ("shop_id", [i % 7 for i in range(N)], None),
        ("identity", [f"r{i}" for i in range(N)], None),
        ("paid", range(N), None),
        ("id", [i / 7 for i in range(N)], None),
        ("when", pd.date_range("2026-01-01", periods=N, freq="h"), "a time"),
        ("noted", [f"2026-01-{1 + i % 28:02}" for i in range(N)], "a time"),
        ("noted", [f"2026-01-01T00:00:{i:02}Z" for i in range(N)], "a time"),
        ("created_at", [1_700_000_000 + i for i in range(N)], "a time"),
        ("timestamp", [1_700_000_000_000 + i for i in range(N)], "a time"),
        ("time", [float(i) for i in range(N)], None),
        ("income", [1_700_000_000 + i for i in range(N)], None),
        ("size", [f"{i}-01-01" for i in range(N)], None),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_ids_and_times_are_no_features(
    tmp_path: Path, name: str, values: object, what: str | None, ending: str
) -> None:
    frame = pd.DataFrame({name: list(values), "x": range(N)})  # type: ignore[call-overload]
    path = tmp_path / f"reference.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    found = no_features(read_columns(str(path)))  # type: ignore[arg-type]
    assert list(found) == ([] if what is None else [name])
    if what is not None:
        assert what in found[name]


def test_init_leaves_them_out_and_says_so(tmp_path: Path) -> None:
    from vedette.cli.init import infer, render

    table = {
        "id": range(N),
        "at": pd.date_range("2026-01-01", periods=N),
        "x": range(N),
        "label": ["a", "b"] * (N // 2),
    }
    pd.DataFrame(table).to_csv(tmp_path / "reference.csv", index=False)
    schema, left_out = infer(tmp_path / "reference.csv", "label")
    text = render("m", "reference.csv", schema, left_out)
    assert yaml.safe_load(text)["schema"]["features"] == {"x": "numeric"}
    assert '    # "id": left out: it names each row; rows bring it as `id`\n' in text
    assert '    # "at": left out: a time; rows bring it as `time`\n' in text
